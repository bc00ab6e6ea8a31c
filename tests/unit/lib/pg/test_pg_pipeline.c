/* Transactions in a pipeline against a real server: errors in the middle, prepared statements, both directions. */
#include "tests/unit/lib/pg/live.h"

static const struct hx_pg_options defaults = { .timeout_ms = 10000,
                                               .depth = 4,
                                               .application_name = "test_pg_pipeline" };
static const struct hx_pg_stmt one = { "one", "select 1::int8" };
static const struct hx_pg_stmt insert = {
    "insert", "insert into pipeline.t(id, v) select * from unnest($1::int4[], $2::text[])"
};
static const struct hx_pg_stmt count = { "count", "select count(*) from pipeline.t" };

static void prepare_schema(struct live *l) {
    live_open(l, &defaults);
    LIVE_DO(l, "set client_min_messages = error");
    LIVE_DO(l, "drop schema if exists pipeline cascade");
    LIVE_DO(l, "create schema pipeline");
    LIVE_DO(l, "create table pipeline.t(id int4 constraint t_key primary key deferrable, v text not null)");
}

static struct hx_pg_tx *inserting(int32_t id, const char *v) {
    struct hx_pg_tx *tx = hx_pg_tx_new("inserting");
    hx_pg_tx_add(tx, &insert);
    hx_pg_int4s(tx, &id, 1);
    hx_pg_texts(tx, &v, 1);
    return tx;
}

/* --- errors --- */

static void an_error_spoils_only_its_own_transaction(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    prepare_schema(&l);
    struct outcome o[4] = { 0 };
    hx_pg_submit(l.pg, inserting(1, "a"), 0, outcome_cb, &o[0]);
    struct hx_pg_tx *bad = inserting(2, "b");
    hx_pg_tx_add(bad, &insert); /* null into not null */
    hx_pg_int4s(bad, (int32_t[]){ 3 }, 1);
    hx_pg_texts(bad, (const char *[]){ NULL }, 1);
    hx_pg_tx_add(bad, &one);
    hx_pg_submit(l.pg, bad, 0, outcome_cb, &o[1]);
    hx_pg_submit(l.pg, inserting(4, "d"), 0, outcome_cb, &o[2]);
    live_submit(&l, &count, 0, &o[3]);
    assert_int_equal(hx_pg_pending(l.pg), 4);
    LIVE_UNTIL(&l, hx_pg_pending(l.pg) == 0);
    assert_int_equal(o[0].class, HX_PG_OK);
    assert_int_equal(o[1].class, HX_PG_DATA);
    assert_string_equal(o[1].error.sqlstate, "23502");
    assert_string_equal(o[1].error.detail, ""); /* would be the whole row */
    assert_int_equal(o[1].error.statement, 1);
    assert_false(o[1].error.in_doubt);
    assert_int_equal(o[2].class, HX_PG_OK);
    assert_int_equal(o[3].number, 2);
    assert_int_equal(l.downs, 0);
    live_close(&l);
}

static void a_broken_constraint_is_named(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    prepare_schema(&l);
    LIVE_DO(&l, "create unique index t_v on pipeline.t(v)");
    struct hx_pg_error error;
    assert_int_equal(hx_pg_run(l.pg, inserting(1, "topsecret"), 0, NULL, NULL, &error), HX_PG_OK);
    assert_int_equal(hx_pg_run(l.pg, inserting(2, "topsecret"), 0, NULL, NULL, &error), HX_PG_DATA);
    assert_string_equal(error.sqlstate, "23505");
    assert_string_equal(error.constraint, "t_v");
    assert_null(strstr(error.message, "topsecret"));
    live_close(&l);
}

/* Both have the SQLSTATE of a broken check; only the second is about the row's values. */
static void a_missing_partition_is_nobodys_value(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    prepare_schema(&l);
    LIVE_DO(&l, "create table pipeline.p(id int4, check (id < 10)) partition by range (id)");
    LIVE_DO(&l, "create table pipeline.p1 partition of pipeline.p for values from (0) to (20)");
    LIVE_DO(&l, "create function pipeline.f() returns trigger language plpgsql as "
                "'begin raise check_violation using message = ''odd''; end'");
    LIVE_DO(
        &l,
        "create trigger f before insert on pipeline.p1 for each row when (new.id = 5) execute function pipeline.f()");
    static const struct {
        struct hx_pg_stmt stmt;
        enum hx_pg_class class;
    } cases[] = { { { "nowhere", "insert into pipeline.p values (30)" }, HX_PG_UNAVAILABLE },
                  { { "checked", "insert into pipeline.p values (15)" }, HX_PG_DATA },
                  { { "raised", "insert into pipeline.p values (5)" }, HX_PG_DATA } };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct outcome o;
        assert_int_equal(live_run(&l, &cases[i].stmt, &o), cases[i].class);
        assert_string_equal(o.error.sqlstate, "23514");
        assert_string_equal(o.error.detail, "");
        assert_false(o.error.in_doubt);
    }
    live_close(&l);
}

static void a_commit_can_fail(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt defer = { "defer", "set constraints pipeline.t_key deferred" };
    struct live l;
    prepare_schema(&l);
    struct hx_pg_error error;
    struct hx_pg_tx *tx = hx_pg_tx_new("deferred");
    hx_pg_tx_add(tx, &defer);
    for (int i = 0; i < 2; i++) {
        hx_pg_tx_add(tx, &insert);
        hx_pg_int4s(tx, (int32_t[]){ 5 }, 1);
        hx_pg_texts(tx, (const char *[]){ "x" }, 1);
    }
    assert_int_equal(hx_pg_run(l.pg, tx, 0, NULL, NULL, &error), HX_PG_DATA);
    assert_string_equal(error.sqlstate, "23505");
    assert_int_equal(error.statement, -1);
    assert_false(error.in_doubt);
    struct outcome o;
    assert_int_equal(live_run(&l, &count, &o), HX_PG_OK);
    assert_int_equal(o.number, 0);
    live_close(&l);
}

/* --- prepared statements --- */

static void prepared_statements_survive_errors(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt divide = { "divide", "select 1 / ($1::int4)" };
    static const struct hx_pg_stmt missing = { "missing", "select * from pipeline.missing" };
    struct live l;
    prepare_schema(&l);
    struct outcome o;
    for (int round = 0; round < 3; round++) {
        /* `divide` is prepared and fails; what follows it is skipped the first time, and so isn't prepared. */
        struct hx_pg_tx *tx = hx_pg_tx_new("dividing");
        hx_pg_tx_add(tx, &divide);
        hx_pg_int4(tx, 0);
        hx_pg_tx_add(tx, &count);
        struct hx_pg_error error;
        assert_int_equal(hx_pg_run(l.pg, tx, 0, NULL, NULL, &error), HX_PG_DATA);
        assert_string_equal(error.sqlstate, "22012");
        assert_int_equal(error.statement, 0);
        /* This one never gets prepared. */
        assert_int_equal(live_run(&l, &missing, &o), HX_PG_SCHEMA);
        assert_string_equal(o.error.sqlstate, "42P01");
        assert_int_equal(o.error.statement, 0);
    }
    assert_int_equal(live_run(&l, &count, &o), HX_PG_OK);
    LIVE_DO(&l, "create table pipeline.missing(id int4)");
    assert_int_equal(live_run(&l, &missing, &o), HX_PG_OK);
    assert_int_equal(l.downs, 0);
    live_close(&l);
}

static void many_use_a_statement_that_is_not_prepared_yet(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    prepare_schema(&l);
    struct outcome o[8];
    static const struct hx_pg_stmt fresh = { "fresh", "select 2::int8" }, failing = { "failing", "select 1 / 0" };
    for (int i = 0; i < 8; i++) {
        struct hx_pg_tx *tx = hx_pg_tx_new("fresh");
        o[i] = (struct outcome){ 0 };
        if (i < 2)
            hx_pg_tx_add(tx, &failing);
        hx_pg_tx_add(tx, &fresh);
        hx_pg_tx_add(tx, &fresh);
        hx_pg_submit(l.pg, tx, 0, outcome_cb, &o[i]);
    }
    LIVE_UNTIL(&l, hx_pg_pending(l.pg) == 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(o[i].class, i < 2 ? HX_PG_DATA : HX_PG_OK);
        assert_int_equal(o[i].number, i < 2 ? 0 : 2);
    }
    live_close(&l);
}

static void a_changed_result_type_asks_for_a_retry(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt all = { "all", "select * from pipeline.t" };
    struct live l;
    prepare_schema(&l);
    struct outcome o;
    assert_int_equal(live_run(&l, &all, &o), HX_PG_OK);
    LIVE_DO(&l, "alter table pipeline.t add w text");
    assert_int_equal(live_run(&l, &all, &o), HX_PG_RETRY);
    assert_string_equal(o.error.sqlstate, "0A000");
    assert_int_equal(live_run(&l, &all, &o), HX_PG_OK); /* on a new connection */
    assert_int_equal(l.ups, 2);
    live_close(&l);
}

static void a_lost_prepared_statement_asks_for_a_retry(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    prepare_schema(&l);
    struct outcome o;
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    LIVE_DO(&l, "discard plans");
    LIVE_DO(&l, "deallocate all");
    assert_int_equal(live_run(&l, &one, &o), HX_PG_RETRY);
    assert_string_equal(o.error.sqlstate, "26000");
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    live_close(&l);
}

static void works_without_prepared_statements(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct hx_pg_options options = defaults;
    options.no_prepare = true;
    struct live l;
    live_open(&l, &options);
    static const struct hx_pg_stmt prepared = { "prepared",
                                                "select count(*) from pg_prepared_statements where name <> ''" };
    struct outcome o;
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    assert_int_equal(live_run(&l, &prepared, &o), HX_PG_OK);
    assert_int_equal(o.number, 0);
    live_close(&l);
}

/* --- locks --- */

static void a_deadlock_asks_for_a_retry(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt first = { "first", "update pipeline.t set v = 'x' where id = $1::int4" };
    /* Each has its first row before either asks for its second. */
    static const struct hx_pg_stmt meet = {
        "meet",
        "do $$ begin perform pg_advisory_xact_lock_shared(4712); while (select count(*) from pg_locks where locktype ="
        " 'advisory' and objid = 4712 and granted) < 2 loop perform pg_sleep(0.01); end loop; end $$"
    };
    struct live l, m;
    prepare_schema(&l);
    live_open(&m, &defaults);
    LIVE_DO(&l, "insert into pipeline.t values (1, 'a'), (2, 'b')");
    LIVE_DO(&m, "select 1");
    struct outcome o[2] = { 0 };
    for (int i = 0; i < 2; i++) {
        struct hx_pg_tx *tx = hx_pg_tx_new("deadlock");
        hx_pg_tx_add(tx, &first);
        hx_pg_int4(tx, 1 + i);
        hx_pg_tx_add(tx, &meet);
        hx_pg_tx_add(tx, &first);
        hx_pg_int4(tx, 2 - i);
        hx_pg_submit(i ? m.pg : l.pg, tx, 0, outcome_cb, &o[i]);
    }
    LIVE_UNTIL(&l, (hx_loop_once(m.loop, 10), o[0].ends + o[1].ends == 2));
    int loser = o[0].class == HX_PG_OK;
    assert_int_equal(o[!loser].class, HX_PG_OK);
    assert_int_equal(o[loser].class, HX_PG_RETRY);
    assert_string_equal(o[loser].error.sqlstate, "40P01");
    assert_int_equal(o[loser].error.statement, 2);
    live_close(&m);
    live_close(&l);
}

static void a_serialization_failure_asks_for_a_retry(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt stmt = { "conflict",
                                            "do $$ begin raise exception 'x' using errcode = '40001'; end $$" };
    struct live l;
    live_open(&l, &defaults);
    struct outcome o;
    assert_int_equal(live_run(&l, &stmt, &o), HX_PG_RETRY);
    live_close(&l);
}

/* --- sizes --- */

static void check_large(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    assert_null(error);
    assert_int_equal(hx_pg_rows(tx, 0), 200000);
    for (int i = 0; i < 200000; i++)
        assert_int_equal(hx_pg_get_int4(tx, 0, i, 0), i + 1);
    ++*(int *)user;
}

static void large_results_arrive(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt large = { "large", "select i, repeat('x', 100) from generate_series(1, 200000) i" };
    struct live l;
    live_open(&l, &defaults);
    struct hx_pg_tx *tx = hx_pg_tx_new("large");
    hx_pg_tx_add(tx, &large);
    int calls = 0;
    assert_int_equal(hx_pg_run(l.pg, tx, 0, check_large, &calls, NULL), HX_PG_OK);
    assert_int_equal(calls, 1);
    live_close(&l);
}

static void both_directions_flow_at_once(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt echo = { "echo", "select $1::text" };
    enum { BYTES = 4 << 20, STATEMENTS = 6 };
    _cleanup_free_ char *text = hx_alloc(BYTES + 1);
    memset(text, 'y', BYTES);
    struct live l;
    live_open(&l, &defaults);
    struct outcome o[3] = { 0 };
    for (int i = 0; i < 3; i++) {
        struct hx_pg_tx *tx = hx_pg_tx_new("echo");
        for (int j = 0; j < STATEMENTS; j++) {
            hx_pg_tx_add(tx, &echo);
            hx_pg_text(tx, text);
        }
        hx_pg_submit(l.pg, tx, 0, outcome_cb, &o[i]);
    }
    LIVE_UNTIL(&l, hx_pg_pending(l.pg) == 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(o[i].class, HX_PG_OK);
        assert_int_equal(o[i].text[0], 'y');
    }
    live_close(&l);
}

static void check_affected(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    assert_null(error);
    assert_int_equal(hx_pg_affected(tx, 0), 3);
    assert_int_equal(hx_pg_affected(tx, 1), 2);
    assert_int_equal(hx_pg_affected(tx, 7), 0);
    ++*(int *)user;
}

static void affected_rows_are_counted(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt cut = { "cut", "delete from pipeline.t where id > 1" };
    struct live l;
    prepare_schema(&l);
    struct hx_pg_tx *tx = hx_pg_tx_new("affected");
    hx_pg_tx_add(tx, &insert);
    hx_pg_int4s(tx, (int32_t[]){ 1, 2, 3 }, 3);
    hx_pg_texts(tx, (const char *[]){ "a", "b", "c" }, 3);
    hx_pg_tx_add(tx, &cut);
    int calls = 0;
    assert_int_equal(hx_pg_run(l.pg, tx, 0, check_affected, &calls, NULL), HX_PG_OK);
    assert_int_equal(calls, 1);
    live_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_spoils_only_its_own_transaction),
        cmocka_unit_test(a_broken_constraint_is_named),
        cmocka_unit_test(a_missing_partition_is_nobodys_value),
        cmocka_unit_test(a_commit_can_fail),
        cmocka_unit_test(prepared_statements_survive_errors),
        cmocka_unit_test(many_use_a_statement_that_is_not_prepared_yet),
        cmocka_unit_test(a_changed_result_type_asks_for_a_retry),
        cmocka_unit_test(a_lost_prepared_statement_asks_for_a_retry),
        cmocka_unit_test(works_without_prepared_statements),
        cmocka_unit_test(a_deadlock_asks_for_a_retry),
        cmocka_unit_test(a_serialization_failure_asks_for_a_retry),
        cmocka_unit_test(large_results_arrive),
        cmocka_unit_test(both_directions_flow_at_once),
        cmocka_unit_test(affected_rows_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
