/* One revision file: its header lines, and the statements of its two directions. */
#pragma once

#include "migrations/problem.h"
#include "migrations/split.h"

#include <stdbool.h>
#include <stddef.h>

#define HX_REVISION_ID_MAX 32 /* alembic_version.version_num is varchar(32) */

struct hx_revision {
    char *id;
    char *parent; /* NULL: it is the first */
    char *message;
    char *path;                            /* as told to people */
    bool no_transaction;                   /* "-- no-transaction" stands in it */
    bool has_downgrade;                    /* the section is there, be it empty */
    unsigned upgrade_line, downgrade_line; /* where the sections begin; 0: there is none */
    struct hx_statements upgrade, downgrade;
};

/* Reads n bytes as the file `path`. 0 and *ret, which the caller frees; -EINVAL with what is wrong added to
 * problems, and *ret untouched. */
int hx_revision_parse(const char *path, const char *text, size_t n, struct hx_revision **ret,
                      struct hx_problems *problems);
struct hx_revision *hx_revision_free(struct hx_revision *revision);
/* False when the file's name is neither REVISION.sql nor REVISION_words.sql. */
bool hx_revision_name_agrees(const struct hx_revision *revision);
