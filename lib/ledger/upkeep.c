/* The scheduler's statements that keep the ledger going: what becomes due, the sweep, counts, partitions. */
#include "lib/ledger/ledger_internal.h"

int hx_ledger_due(struct hx_pg_tx *tx, int32_t limit) {
    int statement = LEDGER_ADD(tx, due);
    hx_pg_int4(tx, limit);
    return statement;
}

static int walk(struct hx_pg_tx *tx, int64_t behind_ms, int32_t limit, const struct hx_uuid *from, bool move) {
    int statement = LEDGER_ADD(tx, sweep);
    hx_pg_int8(tx, behind_ms);
    hx_pg_int4(tx, limit);
    hx_pg_uuid(tx, from);
    hx_pg_bool(tx, move);
    return statement;
}

int hx_ledger_sweep(struct hx_pg_tx *tx, int64_t behind_ms, int32_t limit) {
    static const struct hx_uuid position = { 0 };
    return walk(tx, behind_ms, limit, &position, true);
}

int hx_ledger_peek(struct hx_pg_tx *tx, int64_t behind_ms, int32_t limit, const struct hx_uuid *from) {
    return walk(tx, behind_ms, limit, from, false);
}

struct hx_swept hx_ledger_read_swept(const struct hx_pg_tx *tx, int statement) {
    return (struct hx_swept){
        .walked = hx_pg_get_int8(tx, statement, 0, 0),
        .swept = hx_pg_get_int8(tx, statement, 0, 1),
        .last = hx_pg_get_uuid(tx, statement, 0, 2),
        .any = !hx_pg_is_null(tx, statement, 0, 2),
    };
}

int hx_ledger_fold(struct hx_pg_tx *tx, int32_t limit) {
    int statement = LEDGER_ADD(tx, fold);
    hx_pg_int4(tx, limit);
    return statement;
}

int hx_ledger_upkeep(struct hx_pg_tx *tx) {
    return LEDGER_ADD(tx, upkeep);
}

/* The record travels as hexadecimal text: lib/pg has no bytea, and an unreadable record is rare. */
int hx_ledger_quarantine(struct hx_pg_tx *tx, const char *topic, int32_t partition, int64_t offset, const char *reason,
                         const void *record, size_t size_kept, int64_t size) {
    enum { KEPT = 64 * 1024 };
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = record;
    size_t n = HX_MIN(size_kept, (size_t)KEPT);
    _cleanup_free_ char *hex = hx_alloc(2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }

    int statement = LEDGER_ADD(tx, quarantine);
    hx_pg_text(tx, topic);
    hx_pg_int4(tx, partition);
    hx_pg_int8(tx, offset);
    hx_pg_text(tx, reason);
    hx_pg_text(tx, hex);
    hx_pg_int8(tx, size);
    return statement;
}

int hx_ledger_schema(struct hx_pg_tx *tx) {
    return LEDGER_ADD(tx, schema);
}
