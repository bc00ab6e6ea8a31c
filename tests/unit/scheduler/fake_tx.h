/* A transaction that notes in words what the ledger was asked for. The test ends it. There is one at a time. */
#pragma once

#include "scheduler/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

struct hx_pg_tx {
    struct hx_buf told;
    hx_pg_done_cb cb;
    void *user;
};

static struct scheduler scheduler;
static struct hx_pg_tx *pending;
static int made; /* transactions, whether sent or not */

struct hx_pg_tx *hx_pg_tx_new(const char *name) {
    struct hx_pg_tx *tx = hx_alloc(sizeof *tx);
    hx_buf_printf(&tx->told, "%s:", name);
    made++;
    return tx;
}

struct hx_pg_tx *hx_pg_tx_free(struct hx_pg_tx *tx) {
    if (tx)
        hx_buf_reset(&tx->told);
    free(tx);
    return NULL;
}

void hx_pg_submit(struct hx_pg *pg, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user) {
    (void)pg, (void)timeout_ms;
    assert_null(pending);
    pending = tx;
    tx->cb = cb;
    tx->user = user;
}

/* The next transaction is of that name and asks for that; NULL: it asks for nothing, and so isn't sent. */
static inline void check_asked(const char *expected) {
    int64_t deadline = hx_mono_ms() + 20000;
    for (int before = made; made == before;) {
        assert_true(hx_mono_ms() < deadline);
        hx_loop_once(scheduler.loop, 50);
    }
    assert_int_equal(pending != NULL, expected != NULL);
    if (pending)
        assert_string_equal(pending->told.data, expected);
}

static inline void answer(const struct hx_pg_error *error) {
    struct hx_pg_tx *tx = HX_TAKE(pending);
    tx->cb(tx, error, tx->user);
    hx_pg_tx_free(tx);
}

static inline void refuse(enum hx_pg_class class, const char *sqlstate) {
    struct hx_pg_error error = { .class = class, .message = "told so" };
    hx_strcopy(error.sqlstate, sizeof error.sqlstate, sqlstate);
    answer(&error);
}
