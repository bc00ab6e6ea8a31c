/* The registry of job types: workers write what they have handlers for, submitters and operators read it. */
#include "lib/ledger/ledger_internal.h"

int hx_ledger_types(struct hx_pg_tx *tx) {
    return LEDGER_ADD(tx, types);
}

static int32_t int4_or_null(const struct hx_pg_tx *tx, int statement, int row, int col) {
    return hx_pg_is_null(tx, statement, row, col) ? INT32_MIN : hx_pg_get_int4(tx, statement, row, col);
}

struct hx_type_info hx_ledger_read_type(const struct hx_pg_tx *tx, int statement, int row) {
    return (struct hx_type_info){
        .type = hx_pg_get_text(tx, statement, row, 0, NULL),
        .queue = hx_pg_get_text(tx, statement, row, 1, NULL),
        .announce = hx_pg_get_int4(tx, statement, row, 2),
        .concurrency = int4_or_null(tx, statement, row, 3),
        .max_attempts = int4_or_null(tx, statement, row, 4),
        .limits = hx_pg_get_text(tx, statement, row, 5, NULL),
        .paused = hx_pg_get_bool(tx, statement, row, 6),
    };
}

int hx_ledger_register_types(struct hx_pg_tx *tx, const struct hx_type_info *types, size_t n) {
    _cleanup_free_ void *memory = ledger_column_alloc(n);
    union ledger_column column = { .memory = memory };
    int statement = LEDGER_ADD(tx, register_types);
    LEDGER_GATHER(column.texts, n, types[i].type);
    hx_pg_texts(tx, column.texts, n);
    LEDGER_GATHER(column.texts, n, types[i].queue ? types[i].queue : "default");
    hx_pg_texts(tx, column.texts, n);
    LEDGER_GATHER(column.int4s, n, types[i].announce);
    hx_pg_int4s(tx, column.int4s, n);
    LEDGER_GATHER(column.int4s, n, types[i].concurrency);
    hx_pg_int4s(tx, column.int4s, n);
    LEDGER_GATHER(column.int4s, n, types[i].max_attempts);
    hx_pg_int4s(tx, column.int4s, n);
    LEDGER_GATHER(column.texts, n, types[i].limits ? types[i].limits : "{}");
    hx_pg_jsonbs(tx, column.texts, n);
    return statement;
}

int hx_ledger_pause(struct hx_pg_tx *tx, const char *type, bool paused) {
    int statement = LEDGER_ADD(tx, pause);
    hx_pg_text(tx, type);
    hx_pg_bool(tx, paused);
    return statement;
}
