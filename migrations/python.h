/* The tokens of Python, as far as one must know them to find literals at the top level of a module. */
#pragma once

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>

enum hx_python_kind {
    HX_PYTHON_END,
    HX_PYTHON_NEWLINE, /* the end of a logical line: not within brackets */
    HX_PYTHON_NAME,
    HX_PYTHON_STRING, /* a literal without prefix, or r, u, b */
    HX_PYTHON_FSTRING,
    HX_PYTHON_NUMBER,
    HX_PYTHON_SIGN, /* one byte */
    HX_PYTHON_OPEN, /* a string that nothing closes; reaches to the end */
};

struct hx_python {
    const char *start, *at, *end; /* at begins as start */
    unsigned line;                /* of at, from 1 */
    int brackets;                 /* open ones */
    bool line_started;            /* something stands on this logical line already */
};

struct hx_python_token {
    enum hx_python_kind kind;
    const char *text;
    size_t size;
    unsigned line;
    bool indented; /* the first of a logical line, and not in its first column */
    bool first;    /* of a logical line */
};

/* Zero-initialised but for the pointers and line = 1. Comments, blank lines and joined lines are stepped over. */
struct hx_python_token hx_python_next(struct hx_python *python);
bool hx_python_is(const struct hx_python_token *token, const char *text);
/* Appends what a string literal stands for. */
void hx_python_string(const struct hx_python_token *token, struct hx_buf *out);
