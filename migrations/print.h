/* What people and scripts read, in Alembic's words. */
#pragma once

#include "common/text.h"
#include "migrations/chain.h"

#include <stdbool.h>

/* "Running upgrade A -> B, message" on stderr. from or to NULL: base; message NULL: without. */
void hx_print_running(const char *verb, const char *from, const char *to, const char *message);

/* Where the database stands, as far as that is known; of a chain's count. */
struct hx_marks {
    bool *applied; /* NULL: unknown */
    bool *current;
};

/* What follows appends to out. marks may be NULL, and only then nothing is "(current)". */

/* "Rev: …", "Parent: …", "Path: …", a blank line, the message, a blank line. */
void hx_print_verbose(struct hx_buf *out, const struct hx_chain *chain, size_t index, const struct hx_marks *marks);
/* "REV (head)", the mark at a head only, and nothing of branches and merges. */
void hx_print_short(struct hx_buf *out, const struct hx_chain *chain, size_t index);
/* "A -> B (head), message" */
void hx_print_line(struct hx_buf *out, const struct hx_chain *chain, size_t index, const struct hx_marks *marks);

/* An array of {"revision","down_revision","message","path","head","applied"} for the revisions at n indexes. A merge's
 * down_revision is an array. applied is null where it is unknown. */
void hx_print_json(struct hx_buf *out, const struct hx_chain *chain, const size_t *indexes, size_t n,
                   const struct hx_marks *marks);
/* {"revision","head"}: the revision that is applied or null, and whether it is the head. */
void hx_print_current_json(struct hx_buf *out, const struct hx_chain *chain, size_t position);
