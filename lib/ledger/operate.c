/* What operators and clients ask for. */
#include "lib/ledger/ledger_internal.h"

int hx_ledger_cancel(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason) {
    int statement = LEDGER_ADD(tx, cancel);
    hx_pg_uuids(tx, ids, n);
    hx_pg_text(tx, reason);
    ledger_unwait(tx, ids, n);
    return statement;
}

int hx_ledger_retry(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason) {
    int statement = LEDGER_ADD(tx, retry);
    hx_pg_uuids(tx, ids, n);
    hx_pg_text(tx, reason);
    return statement;
}

int hx_ledger_redrive_pick(struct hx_pg_tx *tx, const struct hx_redrive *filter) {
    int statement = LEDGER_ADD(tx, redrive_pick);
    hx_pg_text(tx, filter->type);
    hx_pg_text(tx, filter->error_code);
    hx_pg_time(tx, filter->since);
    hx_pg_time(tx, filter->until);
    hx_pg_int4(tx, filter->limit);
    return statement;
}
