/* What the tests against a real PostgreSQL share. The server is what libpq's environment names (PGHOST, PGPORT, PGUSER,
 * …); without PGHOST these tests are skipped. Each test owns the schema it makes. */
#pragma once

#include "common/clock.h"
#include "common/text.h"
#include "lib/pg/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LIVE_OR_SKIP()         \
    do {                       \
        if (!getenv("PGHOST")) \
            skip();            \
    } while (0)

struct live {
    struct hx_loop *loop;
    struct hx_pg *pg;
    unsigned ups, downs;
    struct hx_pg_error why; /* of the last down */
};

static inline void live_state(struct hx_pg *pg, bool connected, const struct hx_pg_error *why, void *user) {
    struct live *l = user;
    (void)pg;
    if (connected) {
        l->ups++;
    } else {
        l->downs++;
        l->why = *why;
    }
}

static inline void live_open(struct live *l, const struct hx_pg_options *options) {
    *l = (struct live){ 0 };
    assert_int_equal(hx_loop_new(&l->loop), 0);
    assert_int_equal(hx_pg_new(l->loop, options, live_state, l, &l->pg), 0);
}

/* The same at another server than the environment's, without TLS. */
static inline void live_open_at(struct live *l, const char *host, const char *port, struct hx_pg_options options) {
    const char *keywords[] = { "host", "port", "sslmode", "gssencmode", "user", NULL };
    const char *user = getenv("PGUSER");
    const char *values[] = { host, port, "disable", "disable", user ? user : "postgres", NULL };
    options.keywords = keywords;
    options.values = values;
    live_open(l, &options);
}

static inline void live_close(struct live *l) {
    l->pg = hx_pg_free(l->pg);
    l->loop = hx_loop_free(l->loop);
}

/* Turns the loop until the condition holds; fails after 20 s. */
#define LIVE_UNTIL(l, condition)                \
    do {                                        \
        int64_t until_ = hx_mono_ms() + 20000;  \
        while (!(condition)) {                  \
            assert_true(hx_mono_ms() < until_); \
            hx_loop_once((l)->loop, 50);        \
        }                                       \
    } while (0)

/* The end of one transaction, and of what it returned the first value. */
struct outcome {
    unsigned ends;
    enum hx_pg_class class;
    struct hx_pg_error error;
    int rows;
    int64_t number;
    char text[128];
    int64_t at_ms;
};

static inline void outcome_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct outcome *o = user;
    o->ends++;
    o->at_ms = hx_mono_ms();
    o->class = HX_PG_OK;
    if (error) {
        o->class = error->class;
        o->error = *error;
        return;
    }
    o->rows = hx_pg_rows(tx, 0);
    o->number = hx_pg_get_int8(tx, 0, 0, 0);
    const char *text = hx_pg_get_text(tx, 0, 0, 0, NULL);
    hx_strcopy(o->text, sizeof o->text, text ? text : "");
}

/* Runs one statement without parameters to its end. */
static inline enum hx_pg_class live_run(struct live *l, const struct hx_pg_stmt *stmt, struct outcome *o) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_pg_tx_add(tx, stmt);
    *o = (struct outcome){ 0 };
    return hx_pg_run(l->pg, tx, 0, outcome_cb, o, NULL);
}

#define LIVE_DO(l, query)                                                       \
    do {                                                                        \
        static const struct hx_pg_stmt stmt_ = { .name = query, .sql = query }; \
        struct outcome o_;                                                      \
        if (live_run(l, &stmt_, &o_) != HX_PG_OK)                               \
            fail_msg("%s: %s %s", query, o_.error.sqlstate, o_.error.message);  \
    } while (0)

/* Submits one statement without parameters. */
static inline void live_submit(struct live *l, const struct hx_pg_stmt *stmt, int64_t timeout_ms, struct outcome *o) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_pg_tx_add(tx, stmt);
    *o = (struct outcome){ 0 };
    hx_pg_submit(l->pg, tx, timeout_ms, outcome_cb, o);
}
