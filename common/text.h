/* A growing byte buffer, and the few string helpers that libc lacks. */
#pragma once

#include "common/cleanup.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value type: zero-initialise, append, hx_buf_reset. `data` is NUL-terminated behind `len` once anything was
 * appended. An allocation failure aborts the process: nothing here could go on without memory. */
struct hx_buf {
    char *data;
    size_t len, cap;
};

void hx_buf_append(struct hx_buf *b, const void *bytes, size_t n);
void hx_buf_puts(struct hx_buf *b, const char *text);
void hx_buf_putc(struct hx_buf *b, char c);
void hx_buf_printf(struct hx_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void hx_buf_vprintf(struct hx_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Appends text as a JSON string with its quotes; control characters, quotes and backslashes escaped, bytes that
 * are not UTF-8 replaced by U+FFFD. n = SIZE_MAX: up to the NUL. */
void hx_buf_json_string(struct hx_buf *b, const char *text, size_t n);
/* Makes room for n more bytes and returns where they go; the caller adds to len. */
char *hx_buf_reserve(struct hx_buf *b, size_t n);
/* Forgets the content, keeps the memory. */
void hx_buf_clear(struct hx_buf *b);
/* Removes the first n bytes. */
void hx_buf_consume(struct hx_buf *b, size_t n);
/* Frees the memory. */
void hx_buf_reset(struct hx_buf *b);
/* Hands the NUL-terminated content over (never NULL); the caller frees. The buffer is empty afterwards. */
char *hx_buf_take(struct hx_buf *b);
#define _cleanup_buf_ HX_CLEANUP(hx_buf_reset)

/* malloc family that aborts instead of returning NULL. */
void *hx_alloc(size_t n);               /* zeroed */
void *hx_allocn(size_t n, size_t size); /* zeroed, overflow-checked */
void *hx_realloc(void *p, size_t n);
char *hx_strdup(const char *s);
char *hx_strndup(const char *s, size_t n);
char *hx_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* caller frees */

bool hx_streq(const char *a, const char *b); /* NULL equals NULL only */
bool hx_startswith(const char *s, const char *prefix);
/* True when the n bytes are well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool hx_utf8_valid(const char *s, size_t n);
/* Copies s, truncated at a character's boundary to at most size-1 bytes. */
void hx_strcopy(char *dst, size_t size, const char *s);
/* 0..15, in either case; -1: it is no hex digit. */
int hx_hex_digit(char c);
/* Levenshtein distance, for "did you mean". */
unsigned hx_edit_distance(const char *a, const char *b);

#define HX_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define HX_MIN(a, b) HX_MIN_(a, b, __COUNTER__)
#define HX_MAX(a, b) HX_MAX_(a, b, __COUNTER__)
/* Each operand is evaluated once; the counter keeps nested uses from shadowing each other. */
#define HX_PASTE_(a, b) a##b
#define HX_NAME_(a, b) HX_PASTE_(a, b)
#define HX_MIN_(a, b, n)                                                       \
    ({                                                                         \
        __typeof__(a) HX_NAME_(a_, n) = (a);                                   \
        __typeof__(b) HX_NAME_(b_, n) = (b);                                   \
        HX_NAME_(a_, n) < HX_NAME_(b_, n) ? HX_NAME_(a_, n) : HX_NAME_(b_, n); \
    })
#define HX_MAX_(a, b, n)                                                       \
    ({                                                                         \
        __typeof__(a) HX_NAME_(a_, n) = (a);                                   \
        __typeof__(b) HX_NAME_(b_, n) = (b);                                   \
        HX_NAME_(a_, n) > HX_NAME_(b_, n) ? HX_NAME_(a_, n) : HX_NAME_(b_, n); \
    })
