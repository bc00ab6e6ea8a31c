#include "common/text.h"

#include <stdio.h>
#include <string.h>

/* ---- memory ---- */

/* Written with what needs no memory itself. */
static _Noreturn void out_of_memory(void) {
    static const char message[] = "out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)ignored;
    abort();
}

void *hx_alloc(size_t n) {
    return hx_allocn(n, 1);
}

void *hx_allocn(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *hx_realloc(void *p, size_t n) {
    void *bigger = realloc(p, n ? n : 1);
    if (!bigger)
        out_of_memory();
    return bigger;
}

char *hx_strdup(const char *s) {
    return hx_strndup(s, SIZE_MAX);
}

char *hx_strndup(const char *s, size_t n) {
    size_t len = strnlen(s, n);
    if (len == SIZE_MAX)
        out_of_memory();
    char *copy = malloc(len + 1);
    if (!copy)
        out_of_memory();
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *hx_printf(const char *fmt, ...) {
    struct hx_buf b = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return hx_buf_take(&b);
}

/* ---- buffer ---- */

enum { BUF_FIRST = 64 };

/* Room for n more bytes and the NUL behind them. Doubling keeps the cost of many small appends linear. */
static void buf_grow(struct hx_buf *b, size_t n) {
    size_t need;
    if (__builtin_add_overflow(b->len, n, &need) || __builtin_add_overflow(need, 1, &need))
        out_of_memory();
    size_t cap = b->cap ? b->cap : BUF_FIRST;
    while (cap < need && !__builtin_mul_overflow(cap, 2, &cap))
        ;
    if (cap < need)
        cap = need;
    b->data = hx_realloc(b->data, cap);
    b->cap = cap;
}

/* Compares without adding up, so that no n can overflow it. */
static inline void buf_room(struct hx_buf *b, size_t n) {
    if (n >= b->cap - b->len)
        buf_grow(b, n);
}

char *hx_buf_reserve(struct hx_buf *b, size_t n) {
    buf_room(b, n);
    b->data[b->len] = '\0';
    return b->data + b->len;
}

void hx_buf_append(struct hx_buf *b, const void *bytes, size_t n) {
    buf_room(b, n);
    if (n > 0)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void hx_buf_puts(struct hx_buf *b, const char *text) {
    hx_buf_append(b, text, strlen(text));
}

void hx_buf_putc(struct hx_buf *b, char c) {
    buf_room(b, 1);
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void hx_buf_printf(struct hx_buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void hx_buf_vprintf(struct hx_buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    buf_room(b, BUF_FIRST - 1);
    int n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
    if (n > 0 && (size_t)n >= b->cap - b->len) {
        buf_grow(b, (size_t)n);
        n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
    }
    va_end(again);
    if (n > 0)
        b->len += (size_t)n;
    b->data[b->len] = '\0';
}

void hx_buf_clear(struct hx_buf *b) {
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void hx_buf_consume(struct hx_buf *b, size_t n) {
    if (n >= b->len) {
        hx_buf_clear(b);
        return;
    }
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
    b->data[b->len] = '\0';
}

void hx_buf_reset(struct hx_buf *b) {
    free(b->data);
    *b = (struct hx_buf){ 0 };
}

char *hx_buf_take(struct hx_buf *b) {
    hx_buf_reserve(b, 0);
    char *text = b->data;
    *b = (struct hx_buf){ 0 };
    return text;
}

/* ---- UTF-8 ---- */

/* Length of the well-formed character that starts at s (n >= 1 bytes are there), or 0. The bounds of the second byte
 * are those of table 3-7 in the Unicode standard: they shut out overlong forms, surrogates and what is too big. */
static size_t utf8_length(const unsigned char *s, size_t n) {
    unsigned char low = 0x80, high = 0xbf;
    size_t len;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    if (s[0] < 0xe0) {
        len = 2;
    } else if (s[0] < 0xf0) {
        len = 3;
        low = s[0] == 0xe0 ? 0xa0 : low;
        high = s[0] == 0xed ? 0x9f : high;
    } else {
        len = 4;
        low = s[0] == 0xf0 ? 0x90 : low;
        high = s[0] == 0xf4 ? 0x8f : high;
    }
    if (n < len || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool hx_utf8_valid(const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length(u + i, n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static void json_escape(struct hx_buf *b, unsigned code) {
    static const char names[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
    char text[8] = { '\\' };
    if (code == '"' || code == '\\')
        text[1] = (char)code;
    else if (code < sizeof(names) && names[code])
        text[1] = names[code];
    else
        snprintf(text, sizeof(text), "\\u%04x", code & 0xffffu);
    hx_buf_puts(b, text);
}

void hx_buf_json_string(struct hx_buf *b, const char *text, size_t n) {
    const unsigned char *u = (const unsigned char *)text;
    if (n == SIZE_MAX)
        n = strlen(text);
    buf_room(b, n < SIZE_MAX / 2 ? n + 2 : n);
    hx_buf_putc(b, '"');
    size_t plain = 0; /* from here on nothing was written yet, and up to i nothing needs escaping */
    for (size_t i = 0; i < n;) {
        if (u[i] >= 0x20 && u[i] < 0x7f && u[i] != '"' && u[i] != '\\') {
            i++;
            continue;
        }
        size_t len = utf8_length(u + i, n - i);
        bool c1_control = len == 2 && u[i] == 0xc2 && u[i + 1] < 0xa0;
        if (len > 1 && !c1_control) {
            i += len;
            continue;
        }
        hx_buf_append(b, text + plain, i - plain);
        if (len == 0)
            hx_buf_puts(b, "\xef\xbf\xbd");
        else
            json_escape(b, c1_control ? u[i + 1] : u[i]);
        i += len ? len : 1;
        plain = i;
    }
    hx_buf_append(b, text + plain, n - plain);
    hx_buf_putc(b, '"');
}

/* ---- strings ---- */

bool hx_streq(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool hx_startswith(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

void hx_strcopy(char *dst, size_t size, const char *s) {
    if (size == 0)
        return;
    size_t n = strnlen(s, size);
    if (n == size) {
        n = size - 1;
        /* s[n] is the first byte left out: within a character, back to that one's start (three bytes at most). */
        for (int i = 0; i < 3 && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; i++)
            n--;
    }
    memcpy(dst, s, n);
    dst[n] = '\0';
}

int hx_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

unsigned hx_edit_distance(const char *a, const char *b) {
    size_t len = strlen(b);
    _cleanup_free_ unsigned *row = hx_allocn(len + 1, sizeof(*row));
    for (size_t j = 0; j <= len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)(i + 1);
        for (size_t j = 0; j < len; j++) {
            unsigned replaced = diagonal + (a[i] != b[j]);
            unsigned moved = HX_MIN(row[j], row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = HX_MIN(replaced, moved);
        }
    }
    return row[len];
}
