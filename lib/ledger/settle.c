/* Running jobs come to something, each write under its fence. */
#include "lib/ledger/ledger_internal.h"

#include <string.h>

int hx_ledger_complete(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n, const char *detail) {
    int statement = LEDGER_ADD(tx, complete);
    hx_pg_uuids(tx, ids, n);
    hx_pg_int4s(tx, fences, n);
    hx_pg_jsonbs(tx, details, details ? n : 0); /* unnest pads with nulls */
    hx_pg_jsonb(tx, detail, detail ? strlen(detail) : 0);
    ledger_event_ids(tx, n);
    return statement;
}

/* Locks what a request to cancel would change the outcome of. */
static void add_settling(struct hx_pg_tx *tx, const struct hx_outcome *outcomes, size_t n) {
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(n ? n : 1, sizeof *ids);
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (outcomes[i].status != HX_SUCCEEDED && outcomes[i].status != HX_CANCELED)
            ids[k++] = outcomes[i].id;
    if (!k)
        return;
    LEDGER_ADD(tx, settling);
    hx_pg_uuids(tx, ids, k);
}

int hx_ledger_settle(struct hx_pg_tx *tx, int32_t worker, const struct hx_outcome *outcomes, size_t n) {
    _cleanup_free_ void *memory = ledger_column_alloc(n);
    union ledger_column column = { .memory = memory };
    add_settling(tx, outcomes, n);
    int statement = LEDGER_ADD(tx, settle);
    LEDGER_GATHER(column.uuids, n, outcomes[i].id);
    hx_pg_uuids(tx, column.uuids, n);
    LEDGER_GATHER(column.int4s, n, outcomes[i].fence);
    hx_pg_int4s(tx, column.int4s, n);
    LEDGER_GATHER(column.texts, n, hx_status_name(outcomes[i].status));
    hx_pg_texts(tx, column.texts, n);
    LEDGER_GATHER(column.texts, n, outcomes[i].code);
    hx_pg_texts(tx, column.texts, n);
    LEDGER_GATHER(column.texts, n, outcomes[i].message);
    hx_pg_texts(tx, column.texts, n);
    LEDGER_GATHER(column.texts, n, outcomes[i].detail);
    hx_pg_jsonbs(tx, column.texts, n);
    LEDGER_GATHER(column.int8s, n, outcomes[i].delay_ms);
    hx_pg_int8s(tx, column.int8s, n);
    LEDGER_GATHER(column.texts, n, outcomes[i].reason);
    hx_pg_texts(tx, column.texts, n);
    LEDGER_GATHER(column.int4s, n, outcomes[i].add_max_attempts);
    hx_pg_int4s(tx, column.int4s, n);
    LEDGER_GATHER(column.int4s, n, outcomes[i].add_attempt);
    hx_pg_int4s(tx, column.int4s, n);
    hx_pg_int4(tx, worker);
    return statement;
}

struct hx_uuid hx_ledger_read_id(const struct hx_pg_tx *tx, int statement, int row) {
    return hx_pg_get_uuid(tx, statement, row, 0);
}

int hx_ledger_claim_done(struct hx_pg_tx *tx, const struct hx_uuid *tokens, size_t n) {
    int statement = LEDGER_ADD(tx, claim_done);
    hx_pg_uuids(tx, tokens, n);
    return statement;
}

int hx_ledger_answered(struct hx_pg_tx *tx, int32_t worker, const struct hx_uuid *ids, size_t n) {
    int statement = LEDGER_ADD(tx, answered);
    hx_pg_int4(tx, worker);
    hx_pg_uuids(tx, ids, n);
    return statement;
}

int hx_ledger_permit_free(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n) {
    int statement = LEDGER_ADD(tx, permit_free);
    hx_pg_uuids(tx, ids, n);
    return statement;
}

int hx_ledger_progress(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n) {
    int statement = LEDGER_ADD(tx, progress);
    hx_pg_uuids(tx, ids, n);
    hx_pg_int4s(tx, fences, n);
    hx_pg_jsonbs(tx, details, n);
    return statement;
}
