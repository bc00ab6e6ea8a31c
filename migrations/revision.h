/* One revision: its header lines, and the statements of its two directions. An Alembic revision has the header only. */
#pragma once

#include "migrations/problem.h"
#include "migrations/split.h"

#include <stdbool.h>
#include <stddef.h>

#define HX_REVISION_ID_MAX 32 /* alembic_version.version_num is varchar(32) */

struct hx_revision {
    char *id;
    const char *parent; /* the first of parents; NULL: it is the first of the chain */
    char **parents;     /* several only for merges, which Alembic has */
    size_t parent_count;
    char **depends; /* Alembic's depends_on, for telling only */
    size_t depend_count;
    char **labels; /* Alembic's branch_labels; the chain hands them on along their branch */
    size_t label_count;
    char *message;
    char *text;                            /* all of Alembic's docstring, or NULL */
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
/* Begins a revision of that path, and gives it a parent; everything is copied. */
struct hx_revision *hx_revision_new(const char *path);
void hx_revision_add_parent(struct hx_revision *revision, const char *parent);
void hx_revision_add_label(struct hx_revision *revision, const char *label); /* unless it has it */
/* Why this can't be a revision's id (a literal), or NULL. */
const char *hx_revision_bad_id(const char *id);
struct hx_revision *hx_revision_free(struct hx_revision *revision);
/* False when the file's name is neither REVISION.sql nor REVISION_words.sql (.py for Alembic's, whose names may also begin
 * with something else: 2023_01_05_REVISION_words.py). */
bool hx_revision_name_agrees(const struct hx_revision *revision);
/* The same question for any id. */
bool hx_revision_name_says(const struct hx_revision *revision, const char *id);
/* The path without its folders. */
const char *hx_revision_file_name(const struct hx_revision *revision);
