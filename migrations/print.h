/* What people and scripts read, in Alembic's words. */
#pragma once

#include "common/text.h"
#include "migrations/chain.h"

#include <stdbool.h>

#define HX_POSITION_UNKNOWN SIZE_MAX

/* "Running upgrade A -> B, message" on stderr. from or to NULL: base. */
void hx_print_running(bool down, const char *from, const char *to, const char *message);

/* What follows appends to out. */

/* "Rev: …", "Parent: …", "Path: …", a blank line, the message, a blank line. */
void hx_print_verbose(struct hx_buf *out, const struct hx_chain *chain, size_t index);
/* "REV (head)", the mark at the head only. */
void hx_print_short(struct hx_buf *out, const struct hx_chain *chain, size_t index);
/* The chain from the head down to the first: "A -> B (head), message" a line, or verbose. */
void hx_print_history(struct hx_buf *out, const struct hx_chain *chain, bool verbose);

/* An array of {"revision","down_revision","message","path","head","applied"} for the revisions from `top` down to
 * `bottom`. applied is null where the database's position is HX_POSITION_UNKNOWN. */
void hx_print_json(struct hx_buf *out, const struct hx_chain *chain, size_t top, size_t bottom, size_t position);
/* {"revision","head"}: the revision that is applied or null, and whether it is the head. */
void hx_print_current_json(struct hx_buf *out, const struct hx_chain *chain, size_t position);
