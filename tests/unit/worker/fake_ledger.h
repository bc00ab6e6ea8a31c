/* The ledger's statements for the worker: each is noted in its transaction, and its rows are read from there. */
#pragma once

#include "tests/unit/worker/fake_tx.h"

int hx_ledger_claim(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                    const int32_t *max_attempts, size_t n, const char *const *types, size_t type_count,
                    const char *label) {
    check_ascending(ids, n);
    assert_string_equal(label, "host/main/0");
    assert_int_equal(worker, 7);
    assert_true(type_count > 0 && types[0]);
    struct statement *s = add(tx, CLAIM, ids, n);
    s->token = *token;
    claim_index(token);
    keep_numbers(s, max_attempts);
    int index = last(tx);
    add(tx, NOTHING, NULL, 0);
    add(tx, NOTHING, NULL, 0);
    return index;
}

int hx_ledger_claim_limited(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                            size_t n, int32_t max_attempts, const char *type, const char *label) {
    (void)label;
    check_ascending(ids, n);
    assert_int_equal(worker, 7);
    struct statement *s = add(tx, LIMITED, ids, n);
    s->token = *token;
    claim_index(token);
    s->number = max_attempts;
    s->type = hx_strdup(type);
    int index = last(tx);
    add(tx, NOTHING, NULL, 0);
    add(tx, NOTHING, NULL, 0);
    return index;
}

int hx_ledger_complete(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n, const char *detail) {
    assert_null(details);
    assert_non_null(detail);
    check_runs(ids, fences, n);
    keep_numbers(add(tx, COMPLETE, ids, n), fences);
    return last(tx);
}

int hx_ledger_settle(struct hx_pg_tx *tx, int32_t worker, const struct hx_outcome *outcomes, size_t n) {
    assert_int_equal(worker, 7);
    struct statement *s = add(tx, SETTLE, NULL, 0);
    s->n = n;
    s->ids = hx_realloc(s->ids, n * sizeof *s->ids);
    s->texts = hx_allocn(n, sizeof(char *));
    s->outcomes = hx_allocn(n, sizeof *outcomes);
    s->numbers = hx_allocn(n, sizeof *s->numbers);
    memcpy(s->outcomes, outcomes, n * sizeof *outcomes);
    for (size_t i = 0; i < n; i++) {
        s->ids[i] = outcomes[i].id;
        s->numbers[i] = outcomes[i].fence;
        s->texts[i] = outcomes[i].code ? hx_strdup(outcomes[i].code) : NULL;
    }
    check_runs(s->ids, s->numbers, n);
    return last(tx);
}

int hx_ledger_progress(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n) {
    check_runs(ids, fences, n);
    struct statement *s = add(tx, PROGRESS, ids, n);
    keep_numbers(s, fences);
    s->texts = hx_allocn(n, sizeof(char *));
    for (size_t i = 0; i < n; i++)
        s->texts[i] = hx_strdup(details[i]);
    return last(tx);
}

int hx_ledger_claim_done(struct hx_pg_tx *tx, const struct hx_uuid *tokens, size_t n) {
    add(tx, DONE, tokens, n);
    return last(tx);
}

int hx_ledger_answered(struct hx_pg_tx *tx, int32_t worker, const struct hx_uuid *ids, size_t n) {
    assert_int_equal(worker, 7);
    add(tx, ANSWERED, ids, n);
    return last(tx);
}

int hx_ledger_permit_free(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n) {
    add(tx, PERMIT_FREE, ids, n);
    return last(tx);
}

int hx_ledger_receipt(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, RECEIPT, NULL, 0)->token = *token;
    claim_index(token);
    return last(tx);
}

int hx_ledger_backend(struct hx_pg_tx *tx, int32_t backend_pid) {
    add(tx, BACKEND, NULL, 0)->number = backend_pid;
    return last(tx);
}

int hx_ledger_asked(struct hx_pg_tx *tx, const struct hx_uuid *token) {
    add(tx, ASKED, NULL, 0)->token = *token;
    return last(tx);
}

int hx_ledger_claimed_again(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, AGAIN, NULL, 0)->token = *token;
    return last(tx);
}

int hx_ledger_claims_of(struct hx_pg_tx *tx, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, CLAIMS_OF, NULL, 0);
    return last(tx);
}

int hx_ledger_take(struct hx_pg_tx *tx, const char *const *types, size_t type_count, int32_t limit) {
    assert_true(type_count > 0 && types[0] && limit > 0);
    struct statement *s = add(tx, TAKE, NULL, 0);
    s->type = hx_strdup(types[0]);
    s->number = limit;
    return last(tx);
}

struct hx_candidate hx_ledger_read_candidate(const struct hx_pg_tx *tx, int statement, int row) {
    assert_int_equal(tx->v[statement]->kind, TAKE);
    struct hx_uuid id = tx->v[statement]->rows[row];
    return (struct hx_candidate){ .id = id, .type = job_of(&id)->type, .priority = job_of(&id)->priority };
}

int hx_ledger_park(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason) {
    add(tx, PARK, ids, n)->type = hx_strdup(reason);
    return last(tx);
}

int hx_ledger_missing(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n) {
    add(tx, MISSING, ids, n);
    return last(tx);
}

int hx_ledger_quarantine(struct hx_pg_tx *tx, const char *topic, int32_t partition, int64_t offset, const char *reason,
                         const void *record, size_t size_kept, int64_t size) {
    (void)topic, (void)partition, (void)size;
    struct statement *s = add(tx, QUARANTINE, NULL, 0);
    hx_buf_append(&s->record, record, size_kept);
    s->offset = offset;
    s->type = hx_strdup(reason);
    s->number = (int32_t)size_kept;
    return last(tx);
}

static int64_t lease_told_ms;

int hx_ledger_renew(struct hx_pg_tx *tx, int32_t worker, int32_t running, int64_t lease_ms) {
    assert_int_equal(worker, 7);
    add(tx, RENEW, NULL, 0)->number = running;
    lease_told_ms = lease_ms;
    return last(tx);
}

int hx_ledger_signals(struct hx_pg_tx *tx, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, SIGNALS, NULL, 0);
    return last(tx);
}

int hx_ledger_sign_off(struct hx_pg_tx *tx, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, SIGN_OFF, NULL, 0);
    return last(tx);
}

int hx_ledger_schema(struct hx_pg_tx *tx) {
    add(tx, SCHEMA, NULL, 0);
    return last(tx);
}

int hx_ledger_register_types(struct hx_pg_tx *tx, const struct hx_type_info *types, size_t n) {
    assert_true(n > 0 && types[0].type);
    add(tx, TYPES, NULL, 0)->number = (int32_t)n;
    return last(tx);
}

int hx_ledger_register_worker(struct hx_pg_tx *tx, const struct hx_worker_info *worker) {
    assert_non_null(worker->host);
    add(tx, WORKER, NULL, 0);
    return last(tx);
}

/* ---- reading results ---- */

int hx_pg_rows(const struct hx_pg_tx *tx, int statement) {
    assert_in_range(statement, 0, tx->n - 1);
    return tx->v[statement]->row_count;
}

struct hx_uuid hx_ledger_read_id(const struct hx_pg_tx *tx, int statement, int row) {
    return tx->v[statement]->rows[row];
}

struct hx_uuid hx_pg_get_uuid(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)col;
    return tx->v[statement]->rows[row];
}

const char *hx_pg_get_text(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_len) {
    (void)col;
    const char *text = tx->v[statement]->text[row];
    if (ret_len)
        *ret_len = text ? strlen(text) : 0;
    return text;
}

int32_t hx_pg_get_int4(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)row, (void)col;
    return tx->v[statement]->number;
}

bool hx_pg_get_bool(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)row, (void)col;
    return tx->v[statement]->yes;
}

struct hx_job hx_ledger_read_job(const struct hx_pg_tx *tx, int statement, int row) {
    enum kind kind = tx->v[statement]->kind;
    assert_true(kind == CLAIM || kind == LIMITED || kind == AGAIN);
    struct hx_uuid id = tx->v[statement]->rows[row];
    const struct job *j = job_of(&id);
    return (struct hx_job){ .id = id,
                            .type = j->type,
                            .attempt = j->attempt,
                            .max_attempts = j->max_attempts,
                            .fence = j->fence,
                            .crash_count = j->crash_count,
                            .priority = j->priority,
                            .timeout_ms = j->timeout_ms,
                            .payload = j->payload,
                            .payload_len = strlen(j->payload) };
}
