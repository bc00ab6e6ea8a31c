/* A ledger and an announcer that do as they are told, in the place of the real ones: for test_sender.c. */
#pragma once

#include "common/text.h"
#include "producer/sender.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* ---- the fakes: a transaction remembers which jobs it was given; the test answers ---- */

enum { SENT_MAX = 64, ROWS_MAX = BATCH_JOBS };

struct hx_pg_tx {
    const struct hx_new_job *jobs;
    size_t n, keys, deleted;
    int statements;
    bool new_only; /* by the statement that takes no repeats */
    int64_t timeout_ms;
    hx_pg_done_cb cb;
    void *user;
    /* answers */
    struct hx_uuid rows[ROWS_MAX];
    int row_count;
    struct hx_uuid key_ids[ROWS_MAX];
    int key_count;
};

static struct hx_pg_tx *sent[SENT_MAX];
static size_t sent_count;
static size_t published;
static bool answer_delayed; /* all rows */
static int64_t delivered[4];
static size_t delivered_count;

struct hx_pg_tx *hx_pg_tx_new(const char *name) {
    (void)name;
    return hx_alloc(sizeof(struct hx_pg_tx));
}

void hx_pg_submit(struct hx_pg *pg, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user) {
    (void)pg;
    tx->timeout_ms = timeout_ms;
    tx->cb = cb;
    tx->user = user;
    assert_true(sent_count < SENT_MAX);
    sent[sent_count++] = tx;
}

enum { STATEMENT_SUBMIT = 10, STATEMENT_KEYS, STATEMENT_DONE };

int hx_ledger_submit(struct hx_pg_tx *tx, const struct hx_new_job *jobs, size_t n) {
    tx->jobs = jobs;
    tx->n = n;
    return STATEMENT_SUBMIT;
}

int hx_ledger_submit_new(struct hx_pg_tx *tx, const struct hx_new_job *jobs, size_t n) {
    tx->new_only = true;
    return hx_ledger_submit(tx, jobs, n);
}

int hx_ledger_find_keys(struct hx_pg_tx *tx, const struct hx_uuid *orgs, const char *const *keys, size_t n) {
    (void)orgs, (void)keys;
    assert_int_not_equal(tx->n,
                         0); /* behind the insert, which may have waited for whoever makes a job of the same key */
    tx->keys = n;
    return STATEMENT_KEYS;
}

int hx_ledger_outbox_done(struct hx_pg_tx *tx, const int64_t *ids, size_t n) {
    (void)ids;
    tx->deleted = n;
    return STATEMENT_DONE;
}

int hx_ledger_types(struct hx_pg_tx *tx) {
    (void)tx;
    fail();
    return 0;
}

int hx_pg_rows(const struct hx_pg_tx *tx, int statement) {
    return statement == STATEMENT_SUBMIT ? tx->row_count : tx->key_count;
}

struct hx_submitted hx_ledger_read_submitted(const struct hx_pg_tx *tx, int statement, int row, int64_t *ret_outbox) {
    assert_int_equal(statement, STATEMENT_SUBMIT);
    *ret_outbox = 1;
    return (struct hx_submitted){ .id = tx->rows[row], .delayed = answer_delayed };
}

struct hx_uuid hx_ledger_read_key(const struct hx_pg_tx *tx, int statement, int row, size_t *ret_index) {
    assert_int_equal(statement, STATEMENT_KEYS);
    *ret_index = (size_t)row;
    return tx->key_ids[row];
}

bool type_cache_is_stale(const struct type_cache *c) {
    (void)c;
    return false;
}

void type_cache_read(struct type_cache *c, const struct hx_pg_tx *tx, int statement) {
    (void)c, (void)tx, (void)statement;
}

struct type_cache *announcer_types(struct announcer *a) {
    (void)a;
    return NULL;
}

void announcer_publish(struct announcer *a, int64_t outbox, struct announcement *items, size_t n) {
    (void)a, (void)outbox, (void)items;
    published += n;
}

size_t announcer_take_delivered(struct announcer *a, int64_t **ret) {
    (void)a;
    size_t n = delivered_count;
    *ret = NULL;
    if (n > 0) {
        *ret = hx_allocn(n, sizeof(**ret));
        memcpy(*ret, delivered, n * sizeof(**ret));
    }
    delivered_count = 0;
    return n;
}

void announcer_give_back(struct announcer *a, const int64_t *ids, size_t n) {
    (void)a;
    if (n > 0)
        memcpy(delivered, ids, n * sizeof(*ids));
    delivered_count += n;
}

/* ---- answering ---- */

static void answer(size_t i, const struct hx_pg_error *error) {
    struct hx_pg_tx *tx = sent[i];
    sent[i] = NULL;
    tx->cb(tx, error, tx->user);
    free(tx);
}

/* Every job was new, but those that are left out. */
static void commit_but(size_t i, size_t but, size_t count) {
    struct hx_pg_tx *tx = sent[i];
    for (size_t k = 0; k < tx->n; k++)
        if (k < but || k >= but + count)
            tx->rows[tx->row_count++] = tx->jobs[k].id;
    answer(i, NULL);
}

static void commit(size_t i) {
    commit_but(i, 0, 0);
}

static void fail_with(size_t i, enum hx_pg_class class, bool in_doubt) {
    struct hx_pg_error e = { .class = class, .message = "told so", .statement = -1, .in_doubt = in_doubt };
    answer(i, &e);
}
