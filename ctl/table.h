/* Text tables for terminals: columns as wide as their widest cell, two spaces between them. */
#pragma once

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>

enum tint { PLAIN, GOOD, CAREFUL, BAD, FAINT, HEADING };

struct table_cell;

/* A value type: table_init, table_put for each cell from left to right, table_render, table_reset. */
struct table {
    const char *const *headers; /* ">COUNT": right-aligned. NULL: no line of headers */
    size_t columns;
    struct table_cell *cells;
    size_t count, cap;
};
void table_init(struct table *t, const char *const *headers, size_t columns);
/* The next cell. Control characters are escaped; nothing ("") becomes "-". */
void table_put(struct table *t, enum tint tint, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Appends the lines, each behind `indent` spaces; nothing when there is no row. */
void table_render(const struct table *t, size_t indent, bool colored, struct hx_buf *out);
void table_reset(struct table *t);
#define _cleanup_table_ HX_CLEANUP(table_reset)

/* Appends text for a terminal: what would move its cursor or change its state is escaped ("\n", "\x1b"). */
void table_escape(struct hx_buf *out, const char *text);
/* Appends text in its colour. */
void table_tint(struct hx_buf *out, enum tint tint, bool colored, const char *text);
/* The tint of a job's status. */
enum tint table_status_tint(const char *status);
