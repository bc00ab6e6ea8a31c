/* One at a time: a session's advisory lock, one for each schema, so that of ten starts at once one applies and nine find
 * that nothing is left to do. */
#pragma once

#include "migrations/database.h"

/* Waits --lock-timeout for it, three times. 0, or an exit code after a complaint: HX_EXIT_TRY_AGAIN, naming who holds it;
 * HX_EXIT_CONFIG when a proxy in between hands our transactions to different sessions. The lock ends with the session. */
int hx_lock_take(struct hx_database *database);

/* A part of a transaction: fails with a division by zero unless it runs in the session that holds the lock. Returns the
 * statement's index. */
int hx_lock_add_check(struct hx_pg_tx *tx, struct hx_database *database);
