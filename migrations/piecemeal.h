/* A revision marked `-- no-transaction`: statement by statement, each noted in heimdex_migration, so that a run that was
 * interrupted anywhere goes on where it stopped. */
#pragma once

#include "migrations/record.h"
#include "migrations/step.h"

/* row: how far an earlier run came, or NULL. 0, or an exit code after a complaint. */
int hx_piecemeal_take(struct hx_database *database, const struct hx_step *step, const struct hx_record_row *row);
