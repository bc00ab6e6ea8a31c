/* A script taken apart into its statements, because the extended protocol takes one at a time, and because an error
 * is then told with its line. */
#pragma once

#include "migrations/problem.h"

#include <stddef.h>

struct hx_statement {
    char *sql;     /* without the semicolon and the comments around it */
    unsigned line; /* of the file, counted from 1: where its first word stands */
};

/* A value type: zero-initialise, hx_split, hx_statements_reset. */
struct hx_statements {
    struct hx_statement *items;
    size_t count;
};

/* Appends the statements of n bytes whose first line is `line` of the file. 0, or -EINVAL with a line in *reterr_line
 * and a literal in *reterr_why. Semicolons end a statement unless quoted, in a comment, in parentheses (rules) or in
 * a BEGIN ATOMIC body. */
int hx_split(const char *text, size_t n, unsigned line, struct hx_statements *statements, unsigned *reterr_line,
             const char **reterr_why);
void hx_statements_reset(struct hx_statements *statements);
