/* How jobs that are to be announced become records. */
#pragma once

#include "lib/ledger/ledger.h"

/* jobs are sorted by type and band, as the ledger gives them. The record that begins at jobs[from] (from < n) ends before the index
 * returned: it holds ids of one type and one band, at most as many as the type's `announce` and the record's format allow. */
size_t announce_end(const struct hx_relay_job *jobs, size_t n, size_t from);
