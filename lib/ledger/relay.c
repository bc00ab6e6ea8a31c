/* From the outbox to Kafka: what is to be published, read back from the ledger at the last moment. */
#include "lib/ledger/ledger_internal.h"

int hx_ledger_relay_take(struct hx_pg_tx *tx, int32_t limit) {
    int statement = LEDGER_ADD(tx, relay_take);
    hx_pg_int4(tx, limit);
    return statement;
}

int64_t hx_ledger_read_outbox(const struct hx_pg_tx *tx, int statement, int row, enum hx_outbox_kind *ret_kind) {
    const char *kind = hx_pg_get_text(tx, statement, row, 1, NULL);
    *ret_kind = hx_streq(kind, "dead_letter")  ? HX_OUTBOX_DEAD_LETTER
                : hx_streq(kind, "quarantine") ? HX_OUTBOX_QUARANTINE
                                               : HX_OUTBOX_ANNOUNCE;
    return hx_pg_get_int8(tx, statement, row, 0);
}

int hx_ledger_relay_jobs(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    int statement = LEDGER_ADD(tx, relay_jobs);
    hx_pg_int8s(tx, outbox_ids, n);
    return statement;
}

struct hx_relay_job hx_ledger_read_relay_job(const struct hx_pg_tx *tx, int statement, int row) {
    return (struct hx_relay_job){
        .outbox_id = hx_pg_get_int8(tx, statement, row, 0),
        .id = hx_pg_get_uuid(tx, statement, row, 1),
        .type = hx_pg_get_text(tx, statement, row, 2, NULL),
        .queue = hx_pg_get_text(tx, statement, row, 3, NULL),
        .announce = hx_pg_get_int4(tx, statement, row, 4),
        .high = hx_pg_get_bool(tx, statement, row, 5),
    };
}

int hx_ledger_relay_dead(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    int statement = LEDGER_ADD(tx, relay_dead);
    hx_pg_int8s(tx, outbox_ids, n);
    return statement;
}

struct hx_dead_record hx_ledger_read_dead_record(const struct hx_pg_tx *tx, int statement, int row) {
    struct hx_dead_record dead = {
        .outbox_id = hx_pg_get_int8(tx, statement, row, 0),
        .key = hx_pg_get_text(tx, statement, row, 1, NULL),
    };
    dead.record = hx_pg_get_text(tx, statement, row, 2, &dead.record_len);
    return dead;
}
