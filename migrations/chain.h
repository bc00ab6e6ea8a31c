/* The chain of revisions: what files declare, put in order. Files' names are not what counts. */
#pragma once

#include "migrations/problem.h"
#include "migrations/revision.h"

#include <stdbool.h>
#include <stddef.h>

struct hx_chain;

/* The files named *.sql in directory, or the built-in chain for NULL. 0 and *ret, which the caller frees; -EINVAL with every
 * defect in problems; the negative errno of a file or directory that can't be read, in problems too.
 *
 * A chain of ours has one root, one head, each revision's parent, no revision twice and no cycle; so it is a line. */
int hx_chain_load(const char *directory, struct hx_chain **ret, struct hx_problems *problems);
/* The same for the *.py of an Alembic versions folder, which may branch and merge. */
int hx_chain_load_alembic(const char *directory, struct hx_chain **ret, struct hx_problems *problems);
/* The same from texts in memory, each NUL-terminated behind its size; a path that ends with .py is Alembic's. */
struct hx_chain_file {
    const char *path, *text;
    size_t size;
};
int hx_chain_build(const struct hx_chain_file *files, size_t n, struct hx_chain **ret, struct hx_problems *problems);
struct hx_chain *hx_chain_free(struct hx_chain *chain);
HX_DEFINE_CLEANUP(struct hx_chain, hx_chain_free)

/* Revisions in order, parents first. A database's position is the number of revisions applied to it. */
size_t hx_chain_count(const struct hx_chain *chain);
const struct hx_revision *hx_chain_at(const struct hx_chain *chain, size_t index);
const struct hx_revision *hx_chain_head(const struct hx_chain *chain); /* of a chain that isn't empty */
/* Nothing follows it; several follow it. */
bool hx_chain_is_head(const struct hx_chain *chain, size_t index);
bool hx_chain_is_branchpoint(const struct hx_chain *chain, size_t index);
/* The id in full, or a prefix that only one has. 0 and *ret_index; -ENOENT; -ENOTUNIQ. */
int hx_chain_find(const struct hx_chain *chain, const char *word, size_t *ret_index);
/* The id in full only: what a database names. */
int hx_chain_find_exactly(const struct hx_chain *chain, const char *id, size_t *ret_index);
/* Sets applied[i] for the revision at index and all that it follows; applied has the chain's count. */
void hx_chain_mark(const struct hx_chain *chain, size_t index, bool *applied);
/* Adds a problem for each file whose name disagrees with what it declares. */
void hx_chain_check_names(const struct hx_chain *chain, struct hx_problems *problems);
