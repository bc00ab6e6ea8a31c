/* Queued jobs become some worker's. */
#include "lib/ledger/ledger_internal.h"

int ledger_unwait(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n) {
    int statement = LEDGER_ADD(tx, unwait);
    hx_pg_uuids(tx, ids, n);
    return statement;
}

void ledger_event_ids(struct hx_pg_tx *tx, size_t n) {
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(n ? n : 1, sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = hx_uuid_v7();
    hx_pg_uuids(tx, ids, n);
}

/* "worker":"host/instance/slot": a member of the running event's detail. */
static void put_label(struct hx_pg_tx *tx, const char *label) {
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_buf_puts(&b, "\"worker\":");
    hx_buf_json_string(&b, label, SIZE_MAX);
    hx_pg_text(tx, b.data);
}

int hx_ledger_claim(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                    const int32_t *max_attempts, size_t n, const char *const *types, size_t type_count,
                    const char *label) {
    int statement = LEDGER_ADD(tx, claim);
    hx_pg_uuid(tx, token);
    hx_pg_int4(tx, worker);
    hx_pg_uuids(tx, ids, n);
    hx_pg_int4s(tx, max_attempts, n);
    hx_pg_texts(tx, types, type_count);
    put_label(tx, label);
    ledger_event_ids(tx, n);

    ledger_unwait(tx, ids, n);

    LEDGER_ADD(tx, park_paused);
    hx_pg_uuids(tx, ids, n);
    return statement;
}

int hx_ledger_claim_limited(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                            size_t n, int32_t max_attempts, const char *type, const char *label) {
    int statement = LEDGER_ADD(tx, claim_limited);
    hx_pg_uuid(tx, token);
    hx_pg_int4(tx, worker);
    hx_pg_uuids(tx, ids, n);
    hx_pg_int4(tx, max_attempts);
    hx_pg_text(tx, type);
    put_label(tx, label);

    ledger_unwait(tx, ids, n);
    hx_ledger_park(tx, ids, n, "limited");
    return statement;
}

struct hx_job hx_ledger_read_job(const struct hx_pg_tx *tx, int statement, int row) {
    struct hx_job job = {
        .id = hx_pg_get_uuid(tx, statement, row, 0),
        .org_id = hx_pg_get_uuid(tx, statement, row, 1),
        .type = hx_pg_get_text(tx, statement, row, 2, NULL),
        .attempt = hx_pg_get_int4(tx, statement, row, 3),
        .max_attempts = hx_pg_get_int4(tx, statement, row, 4),
        .fence = hx_pg_get_int4(tx, statement, row, 5),
        .crash_count = hx_pg_get_int4(tx, statement, row, 6),
        .priority = hx_pg_get_int4(tx, statement, row, 7),
        .timeout_ms = hx_pg_is_null(tx, statement, row, 8) ? INT64_MIN : hx_pg_get_int8(tx, statement, row, 8),
        .traceparent = hx_pg_get_text(tx, statement, row, 10, NULL),
    };
    job.payload = hx_pg_get_text(tx, statement, row, 9, &job.payload_len);
    return job;
}

int hx_ledger_receipt(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker) {
    int statement = LEDGER_ADD(tx, receipt);
    hx_pg_uuid(tx, token);
    hx_pg_int4(tx, worker);
    return statement;
}

int hx_ledger_backend(struct hx_pg_tx *tx, int32_t backend_pid) {
    int statement = LEDGER_ADD(tx, backend);
    hx_pg_int4(tx, backend_pid);
    return statement;
}

int hx_ledger_asked(struct hx_pg_tx *tx, const struct hx_uuid *token) {
    int statement = LEDGER_ADD(tx, asked);
    hx_pg_uuid(tx, token);
    return statement;
}

int hx_ledger_claimed_again(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker) {
    int statement = LEDGER_ADD(tx, claimed_again);
    hx_pg_uuid(tx, token);
    hx_pg_int4(tx, worker);
    return statement;
}

int hx_ledger_park(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason) {
    int statement = LEDGER_ADD(tx, park);
    hx_pg_uuids(tx, ids, n);
    hx_pg_text(tx, reason);
    return statement;
}

int hx_ledger_missing(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n) {
    int statement = LEDGER_ADD(tx, missing);
    hx_pg_uuids(tx, ids, n);
    return statement;
}

int hx_ledger_take(struct hx_pg_tx *tx, const char *const *types, size_t type_count, int32_t limit) {
    int statement = LEDGER_ADD(tx, take);
    hx_pg_texts(tx, types, type_count);
    hx_pg_int4(tx, limit);
    return statement;
}

struct hx_candidate hx_ledger_read_candidate(const struct hx_pg_tx *tx, int statement, int row) {
    return (struct hx_candidate){
        .id = hx_pg_get_uuid(tx, statement, row, 0),
        .type = hx_pg_get_text(tx, statement, row, 1, NULL),
        .priority = hx_pg_get_int4(tx, statement, row, 2),
    };
}
