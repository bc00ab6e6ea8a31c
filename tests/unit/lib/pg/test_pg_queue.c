/* Submission, deadlines, notifications, and freeing at awkward moments. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"

static const struct hx_pg_options defaults = { .timeout_ms = 20000, .depth = 1, .application_name = "test_pg_queue" };
static const struct hx_pg_stmt one = { "one", "select 1::int8" };
static const struct hx_pg_stmt nap = { "nap", "select 1 from pg_sleep(0.5)" };
static const struct hx_pg_stmt long_nap = { "long_nap", "select 1 from pg_sleep(1.5)" };

static void a_transaction_may_take_longer_than_the_session_allows(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct hx_pg_options options = defaults;
    options.settings = "-c statement_timeout=1s";
    struct live l;
    live_open(&l, &options);
    struct outcome o;
    live_submit(&l, &long_nap, 30000, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_OK);
    assert_int_equal(o.rows, 1);
    /* Without it the server ends the statement, before our deadline leaves it in doubt. */
    live_submit(&l, &long_nap, 0, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_RETRY);
    assert_string_equal(o.error.sqlstate, "57014");
    assert_int_equal(o.error.statement, 0);
    assert_false(o.error.in_doubt);
    assert_int_equal(l.downs, 0);
    live_close(&l);
}

static void what_waits_behind_another_has_its_own_deadline(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt held = { "held", "select 1 from pg_advisory_xact_lock(4711)" };
    struct hx_pg_options options = defaults;
    options.settings = "-c lock_timeout=20s";
    struct live l, other;
    live_open(&l, &options);
    live_open(&other, &defaults);
    struct outcome a, b, c;
    assert_int_equal(live_run(&l, &one, &a), HX_PG_OK);
    LIVE_DO(&other, "select 1 from pg_advisory_lock(4711)");
    live_submit(&l, &held, 0, &a);
    live_submit(&l, &one, 100, &b);
    live_submit(&l, &one, 0, &c);
    LIVE_UNTIL(&l, b.ends);
    assert_int_equal(a.ends, 0);
    assert_int_equal(b.class, HX_PG_UNAVAILABLE);
    assert_false(b.error.in_doubt);
    LIVE_DO(&other, "select 1 from pg_advisory_unlock(4711)");
    LIVE_UNTIL(&l, c.ends);
    assert_int_equal(a.class, HX_PG_OK);
    assert_int_equal(c.class, HX_PG_OK);
    assert_int_equal(l.downs, 0);
    live_close(&other);
    live_close(&l);
}

static void too_large_parameters_are_blamed(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    live_open(&l, &defaults);
    struct outcome o = { 0 }, after;
    struct hx_pg_tx *tx = hx_pg_tx_new("large");
    hx_pg_tx_add(tx, &one);
    tx->oversize = true; /* as a gigabyte would */
    hx_pg_submit(l.pg, tx, 0, outcome_cb, &o);
    assert_int_equal(o.ends, 0); /* not from within submit */
    live_submit(&l, &one, 0, &after);
    LIVE_UNTIL(&l, after.ends);
    assert_int_equal(o.class, HX_PG_DATA);
    assert_false(o.error.in_doubt);
    assert_int_equal(after.class, HX_PG_OK);
    live_close(&l);
}

struct chain {
    struct live *l;
    int left, ends;
    bool frees;
};

static void chain_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct chain *c = user;
    (void)tx;
    c->ends++;
    if (error || !c->l->pg)
        return;
    if (c->left-- > 0) {
        struct hx_pg_tx *next = hx_pg_tx_new("chain");
        hx_pg_tx_add(next, &one);
        hx_pg_submit(c->l->pg, next, 0, chain_cb, c);
    } else if (c->frees) {
        c->l->pg = hx_pg_free(c->l->pg);
    }
}

static void submits_from_a_callback_and_frees_there(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct hx_pg_options options = defaults;
    options.depth = 4;
    struct live l;
    live_open(&l, &options);
    struct chain c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = (struct chain){ .l = &l, .left = 50 + i, .frees = i == 0 };
        struct hx_pg_tx *tx = hx_pg_tx_new("chain");
        hx_pg_tx_add(tx, &one);
        hx_pg_submit(l.pg, tx, 0, chain_cb, &c[i]);
    }
    LIVE_UNTIL(&l, !l.pg);
    hx_loop_once(l.loop, 0);
    assert_int_equal(c[0].ends, 51);
    for (int i = 1; i < 4; i++)
        assert_in_range(c[i].ends, 51, 52); /* the last of each was told as well */
    live_close(&l);
}

static void freeing_ends_what_is_there(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    live_open(&l, &defaults);
    struct outcome o, flying, queued;
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    live_submit(&l, &nap, 0, &flying);
    live_submit(&l, &one, 0, &queued);
    assert_int_equal(hx_pg_pending(l.pg), 2);
    l.pg = hx_pg_free(l.pg);
    assert_int_equal(flying.class, HX_PG_UNAVAILABLE);
    assert_true(flying.error.in_doubt);
    assert_int_equal(queued.class, HX_PG_UNAVAILABLE);
    assert_false(queued.error.in_doubt);
    assert_null(hx_pg_free(NULL));
    live_close(&l);
}

struct heard {
    unsigned count;
    char payload[64];
};

static void on_notify(const char *channel, const char *payload, void *user) {
    struct heard *h = user;
    assert_string_equal(channel, "test_pg \"q\"");
    h->count++;
    hx_strcopy(h->payload, sizeof h->payload, payload);
}

static void listens_again_after_a_reconnect(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt suicide = { "suicide", "select pg_terminate_backend(pg_backend_pid())" };
    struct live l, other;
    live_open(&l, &defaults);
    live_open(&other, &defaults);
    struct heard h = { 0 };
    struct outcome o;
    hx_pg_listen(l.pg, "test_pg \"q\"", on_notify, &h);
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    assert_int_equal(hx_pg_pending(l.pg), 0);
    LIVE_DO(&other, "notify \"test_pg \"\"q\"\"\", 'first'");
    LIVE_UNTIL(&l, h.count == 1);
    assert_string_equal(h.payload, "first");

    assert_int_equal(live_run(&l, &suicide, &o), HX_PG_UNAVAILABLE);
    LIVE_UNTIL(&l, l.ups == 2);
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    LIVE_DO(&other, "notify \"test_pg \"\"q\"\"\", 'second'");
    LIVE_UNTIL(&l, h.count == 2);
    assert_string_equal(h.payload, "second");

    hx_pg_listen(l.pg, "another", NULL, NULL); /* while connected */
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    live_close(&other);
    live_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_may_take_longer_than_the_session_allows),
        cmocka_unit_test(what_waits_behind_another_has_its_own_deadline),
        cmocka_unit_test(too_large_parameters_are_blamed),
        cmocka_unit_test(submits_from_a_callback_and_frees_there),
        cmocka_unit_test(freeing_ends_what_is_there),
        cmocka_unit_test(listens_again_after_a_reconnect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
