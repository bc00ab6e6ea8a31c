/* Workers, as status and workers show them. */
#pragma once

#include "ctl/ctl.h"
#include "lib/json/json.h"

/* Reads the rows of hx_ledger_workers, each with "alive" added: its row isn't dead, and its last sign no older than two leases. The lease is
 * its own, in its row, since hosts may differ in theirs; lease_ms is for a row that names none. A new array. */
json_t *workers_read(const struct hx_pg_tx *tx, int statement, int64_t now_us, int64_t lease_ms);
