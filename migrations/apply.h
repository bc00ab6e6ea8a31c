/* Takes a database to a target, one revision a transaction. */
#pragma once

#include "migrations/database.h"
#include "migrations/plan.h"

/* The database's position in the chain. 0, or an exit code after a complaint: what hx_database_version says, and an
 * applied revision that no file knows. */
int hx_apply_position(struct hx_database *database, const struct hx_chain *chain, size_t *ret_position);

/* 0 when the database stands at the target or, for an upgrade, beyond it; else an exit code after a complaint. What
 * was applied before a failure stays. Any number of these may run at the same time: each revision is applied once. */
int hx_apply(struct hx_database *database, const struct hx_chain *chain, const struct hx_target *target);
