/* Workers, as status and workers show them. */
#pragma once

#include "ctl/ctl.h"
#include "lib/json/json.h"

/* A worker whose lease stands still this long after its last sign is as good as dead, whatever its row says. */
bool worker_alive(const json_t *worker, int64_t now_us, int64_t lease_ms);
/* Reads the rows of hx_ledger_workers, each with "alive" added. A new array. */
json_t *workers_read(const struct hx_pg_tx *tx, int statement, int64_t now_us, int64_t lease_ms);
