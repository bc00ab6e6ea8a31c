/* Defects of a chain, collected so that one run names all of them. */
#pragma once

#include <stddef.h>

struct hx_problem {
    char *what;     /* the kind: "missing parent", "two heads" … */
    char *revision; /* the revision concerned, "" if none */
    char *where;    /* FILE, FILE:LINE, or files separated by ", " */
    char *why;
};

/* A value type: zero-initialise, add, hx_problems_reset. */
struct hx_problems {
    struct hx_problem *items;
    size_t count;
};

/* Everything is copied; revision may be NULL. */
void hx_problem_add(struct hx_problems *problems, const char *what, const char *revision, const char *where,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void hx_problems_reset(struct hx_problems *problems);
