/* The chain of revisions: read, checked, and put in order. */
#pragma once

#include "migrations/revision.h"

struct hx_chain;

/* Reads the chain that was built in, or with directory not NULL the *.sql files of it. 0 and *ret, which the caller
 * frees. Otherwise *ret is untouched and all that is wrong is in problems: -EINVAL for its content; -errno if the
 * directory or a file can't be read.
 *
 * A chain has one root, one head, each revision's parent, no revision twice and no cycle; so it is a line. */
int hx_chain_load(const char *directory, struct hx_chain **ret, struct hx_problems *problems);
/* The same from texts in memory, each NUL-terminated behind its size. */
struct hx_chain_file {
    const char *path, *text;
    size_t size;
};
int hx_chain_build(const struct hx_chain_file *files, size_t n, struct hx_chain **ret, struct hx_problems *problems);
struct hx_chain *hx_chain_free(struct hx_chain *chain);

/* Revisions in order, the first one at 0. A database's position is the number of revisions applied to it. */
size_t hx_chain_count(const struct hx_chain *chain);
const struct hx_revision *hx_chain_at(const struct hx_chain *chain, size_t index);
const struct hx_revision *hx_chain_head(const struct hx_chain *chain);
/* The id in full, or a prefix that only one has. 0 and *ret_index; -ENOENT; -ENOTUNIQ. */
int hx_chain_find(const struct hx_chain *chain, const char *word, size_t *ret_index);
/* The id in full only: what a database names. */
int hx_chain_find_exactly(const struct hx_chain *chain, const char *id, size_t *ret_index);
