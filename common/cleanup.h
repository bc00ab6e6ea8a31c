/* Scoped clean-up: destructors take NULL, return NULL, and run when a variable leaves its scope. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HX_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines fn##_p, the form that __attribute__((cleanup)) wants, for a destructor `type *fn(type *)`. */
#define HX_DEFINE_CLEANUP(type, fn)       \
    static inline void fn##_p(type **p) { \
        if (*p)                           \
            fn(*p);                       \
    }

static inline void hx_free_p(void *p) {
    free(*(void **)p);
}
static inline void hx_close_p(const int *fd) {
    if (*fd >= 0)
        close(*fd);
}
static inline void hx_fclose_p(FILE **f) {
    if (*f)
        fclose(*f);
}

#define _cleanup_free_ HX_CLEANUP(hx_free_p)
#define _cleanup_close_ HX_CLEANUP(hx_close_p)
#define _cleanup_fclose_ HX_CLEANUP(hx_fclose_p)

/* Takes a pointer out of a cleaned-up variable, so that it survives the scope. */
#define HX_TAKE(p)                  \
    ({                              \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })
