/* The text of a configuration file with its @include files in their places, knowing where each line came from, and
 * checked for what libconfig 1.5 would read wrongly. */
#pragma once

#include "lib/config/config.h"

struct hx_source_line {
    const char *file; /* of the source */
    unsigned line;
};

struct hx_source {
    struct hx_buf text;
    struct hx_source_line *lines; /* of each line of text */
    size_t line_count, line_room;
    char **files;
    size_t file_count;
    char *scopes[16]; /* names of the groups that are open while reading */
    size_t depth;
    char *name; /* the identifier seen last */
};

/* Reads path. 0; -errno where path itself can't be read; -EINVAL for what is in it; with *e. Zero-initialise s. */
int hx_source_read(struct hx_source *s, const char *path, struct hx_config_error *e);
/* Where line n (from 1) of the text came from. */
struct hx_source_line hx_source_where(const struct hx_source *s, unsigned n);
void hx_source_reset(struct hx_source *s);
#define _cleanup_source_ HX_CLEANUP(hx_source_reset)
