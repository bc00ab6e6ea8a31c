/* Takes a database to a target, one revision after the other. */
#pragma once

#include "migrations/database.h"
#include "migrations/record.h"
#include "migrations/target.h"

/* How many revisions of the chain are applied. 0, or an exit code after a complaint: also when the database was at a revision
 * that the chain doesn't have. */
int hx_apply_position(struct hx_database *database, const struct hx_chain *chain, size_t *ret_position);

/* All that can be known before anything runs: what the database had must be what the chain has, and the target must lead
 * somewhere from where it stands. 0, or an exit code after a complaint. */
int hx_apply_judge(struct hx_database *database, const struct hx_chain *chain, const struct hx_target *target);

/* Runs what leads to the target, and nothing where that is reached. It is judged first. 0, or an exit code after a
 * complaint. */
int hx_apply(struct hx_database *database, const struct hx_chain *chain, const struct hx_target *target);
