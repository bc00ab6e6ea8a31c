/* Jobs come in. */
#include "lib/ledger/ledger_internal.h"

#include "common/text.h"

#include <string.h>

/* A column in which every value is null is sent as an empty array: unnest pads it, and the server has a thousand values less to read. */
#define GATHER_OR_NONE(out, n, value, null_, send) \
    do {                                           \
        size_t filled_ = 0;                        \
        for (size_t i = 0; i < (n); i++) {         \
            (out)[i] = (value);                    \
            filled_ += (out)[i] != (null_);        \
        }                                          \
        send(tx, out, filled_ ? (n) : 0);          \
    } while (0)

static void add_jobs(struct hx_pg_tx *tx, const struct hx_new_job *jobs, size_t n) {
    _cleanup_free_ void *memory = ledger_column_alloc(n);
    union ledger_column column = { .memory = memory };
    LEDGER_GATHER(column.uuids, n, jobs[i].id);
    hx_pg_uuids(tx, column.uuids, n);
    LEDGER_GATHER(column.uuids, n, jobs[i].org_id);
    hx_pg_uuids(tx, column.uuids, n);
    LEDGER_GATHER(column.texts, n, jobs[i].type);
    hx_pg_texts(tx, column.texts, n);
    GATHER_OR_NONE(column.texts, n, jobs[i].payload, NULL, hx_pg_jsonbs);
    GATHER_OR_NONE(column.int4s, n, jobs[i].priority, 0, hx_pg_int4s);
    GATHER_OR_NONE(column.texts, n, jobs[i].key, NULL, hx_pg_texts);
    GATHER_OR_NONE(column.texts, n, jobs[i].requested_by, NULL, hx_pg_texts);
    GATHER_OR_NONE(column.int4s, n, jobs[i].max_attempts, INT32_MIN, hx_pg_int4s);
    GATHER_OR_NONE(column.int8s, n, jobs[i].timeout_ms, INT64_MIN, hx_pg_int8s);
    GATHER_OR_NONE(column.int8s, n, jobs[i].run_at, HX_NO_TIME, hx_pg_times);
    GATHER_OR_NONE(column.texts, n, jobs[i].traceparent, NULL, hx_pg_texts);
}

int hx_ledger_submit(struct hx_pg_tx *tx, const struct hx_new_job *jobs, size_t n) {
    int statement = LEDGER_ADD(tx, submit);
    add_jobs(tx, jobs, n);
    return statement;
}

/* The text of submit but for its ON CONFLICT. */
static const struct hx_pg_stmt *submit_new(void) {
    static const char clause[] = "on conflict do nothing";
    static struct hx_pg_stmt stmt = { "submit_new", NULL };
    if (!stmt.sql) {
        char *sql = hx_strdup(hx_sql_submit);
        memset(strstr(sql, clause), ' ', sizeof(clause) - 1);
        stmt.sql = sql;
    }
    return &stmt;
}

int hx_ledger_submit_new(struct hx_pg_tx *tx, const struct hx_new_job *jobs, size_t n) {
    int statement = hx_pg_tx_add(tx, submit_new());
    add_jobs(tx, jobs, n);
    return statement;
}

struct hx_submitted hx_ledger_read_submitted(const struct hx_pg_tx *tx, int statement, int row, int64_t *ret_outbox) {
    *ret_outbox = hx_pg_get_int8(tx, statement, row, 1);
    return (struct hx_submitted){
        .id = hx_pg_get_uuid(tx, statement, row, 0),
        .delayed = hx_pg_get_bool(tx, statement, row, 2),
    };
}

int hx_ledger_find_keys(struct hx_pg_tx *tx, const struct hx_uuid *orgs, const char *const *keys, size_t n) {
    int statement = LEDGER_ADD(tx, find_keys);
    hx_pg_uuids(tx, orgs, n);
    hx_pg_texts(tx, keys, n);
    return statement;
}

struct hx_uuid hx_ledger_read_key(const struct hx_pg_tx *tx, int statement, int row, size_t *ret_index) {
    int32_t ordinal = hx_pg_get_int4(tx, statement, row, 1); /* SQL counts from 1 */
    *ret_index = ordinal > 0 ? (size_t)ordinal - 1 : 0;
    return hx_pg_get_uuid(tx, statement, row, 0);
}

int hx_ledger_outbox_done(struct hx_pg_tx *tx, const int64_t *ids, size_t n) {
    int statement = LEDGER_ADD(tx, outbox_done);
    hx_pg_int8s(tx, ids, n);
    return statement;
}
