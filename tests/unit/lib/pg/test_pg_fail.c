/* The three failure points of every transaction, in a build that has them. */
#include "tests/unit/lib/pg/live.h"

#ifdef HX_FAILPOINTS

static const struct hx_pg_options defaults = { .timeout_ms = 5000, .depth = 4, .application_name = "test_pg_fail" };
static const struct hx_pg_stmt add = { "add", "insert into hx_fail.t values (1) returning 1::int8" };
static const struct hx_pg_stmt two = { "two", "select 2::int8" };

static struct hx_pg_tx *adding(const char *name) {
    struct hx_pg_tx *tx = hx_pg_tx_new(name);
    hx_pg_tx_add(tx, &add);
    hx_pg_tx_add(tx, &two);
    return tx;
}

static int64_t rows(struct live *l) {
    static const struct hx_pg_stmt count = { "count", "select count(*) from hx_fail.t" };
    struct outcome o;
    assert_int_equal(live_run(l, &count, &o), HX_PG_OK);
    return o.number;
}

/* Runs two transactions of that name: the first meets the fault, the second doesn't. */
static struct hx_pg_error first_fails(const char *name, int64_t rows_of_first, unsigned downs) {
    struct live l;
    live_open(&l, &defaults);
    LIVE_DO(&l, "drop schema if exists hx_fail cascade");
    LIVE_DO(&l, "create schema hx_fail");
    LIVE_DO(&l, "create table hx_fail.t (n int)");
    struct outcome first = { 0 }, second = { 0 };
    hx_pg_submit(l.pg, adding(name), 0, outcome_cb, &first);
    LIVE_UNTIL(&l, first.ends == 1);
    assert_int_equal(first.class, HX_PG_UNAVAILABLE);
    assert_int_equal(rows(&l), rows_of_first);
    hx_pg_submit(l.pg, adding(name), 0, outcome_cb, &second);
    LIVE_UNTIL(&l, second.ends == 1);
    assert_int_equal(second.class, HX_PG_OK);
    assert_int_equal(second.number, 1);
    assert_int_equal(rows(&l), rows_of_first + 1);
    assert_int_equal(l.downs, downs);
    LIVE_DO(&l, "drop schema hx_fail cascade");
    live_close(&l);
    return first.error;
}

static void refused_before_it_is_sent(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct hx_pg_error error = first_fails("fail early", 0, 0);
    assert_false(error.in_doubt);
}

static void cut_before_the_commit(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct hx_pg_error error = first_fails("fail half", 0, 1);
    assert_false(error.in_doubt);
    assert_true(error.backend_pid > 0);
}

static void cut_behind_the_commit(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct hx_pg_error error = first_fails("fail late", 1, 1);
    assert_true(error.in_doubt);
    assert_true(error.backend_pid > 0);
}

/* Where a fault is armed for later, the statements are answered before the Sync goes, among others in flight. */
static void split_transactions_keep_their_answers(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    live_open(&l, &defaults);
    static const struct hx_pg_stmt number = { "number", "select $1::int8" }, wrong = { "wrong", "select 1 / $1::int8" };
    struct outcome o[30] = { 0 };
    for (int i = 0; i < 30; i++) {
        struct hx_pg_tx *tx = hx_pg_tx_new(i % 3 ? "fail never" : "test");
        hx_pg_tx_add(tx, i % 5 ? &number : &wrong);
        hx_pg_int8(tx, i % 5 ? i : 0);
        hx_pg_tx_add(tx, &two);
        hx_pg_submit(l.pg, tx, 0, outcome_cb, &o[i]);
    }
    LIVE_UNTIL(&l, hx_pg_pending(l.pg) == 0);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(o[i].class, i % 5 ? HX_PG_OK : HX_PG_DATA);
        assert_int_equal(o[i].number, i % 5 ? i : 0);
    }
    assert_int_equal(l.downs, 0);
    live_close(&l);
}

int main(void) {
    setenv("HEIMDEX_FAIL",
           "fail_early.before_send:error@1,fail_half.before_commit:error@1,fail_late.after_commit:error@1,"
           "fail_never.before_commit:error@1000",
           1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_before_it_is_sent),
        cmocka_unit_test(cut_before_the_commit),
        cmocka_unit_test(cut_behind_the_commit),
        cmocka_unit_test(split_transactions_keep_their_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    return 0;
}

#endif
