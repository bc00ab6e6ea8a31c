#include "ledger_test.h"

static int64_t due(int32_t limit) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    return run(tx, hx_ledger_due(tx, limit))->value[0][0].number;
}

static void a_failed_job_that_is_due_is_announced(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    assert_int_equal(claim(put_worker(), ids, 2), 2);
    sql("delete from outbox");
    settle(
        (struct hx_outcome[]){
            { .id = ids[0], .fence = 1, .status = HX_FAILED, .reason = "retry" },
            { .id = ids[1], .fence = 1, .status = HX_FAILED, .reason = "retry", .delay_ms = 600000 } },
        2);
    assert_int_equal(due(10), 1);
    assert_int_equal(due(10), 0);
    assert_value("queued", "select status from job where id = %s", q(&ids[0]));
    assert_value("failed", "select status from job where id = %s", q(&ids[1]));
    assert_value("1", "select count(*) from outbox where kind = 'announce' and ids = array[%s]", q(&ids[0]));
    assert_value("true", "select announced from waiting where job_id = %s",
                 q(&ids[0])); /* publishing never deletes it */
}

static void a_delayed_job_that_is_due_is_announced(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job job = new_job("a");
    job.run_at = hx_wall_us() + 3600000000;
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, &job, 1));
    assert_int_equal(due(10), 0);
    sql("update waiting set due = now()");
    assert_int_equal(due(10), 1);
    assert_value("1", "select count(*) from job_event"); /* it was queued all the time */
}

static void swept_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    assert_null(error);
    *(struct hx_swept *)user = hx_ledger_read_swept(tx, 0);
}

static struct hx_swept swept(struct hx_pg_tx *tx) {
    struct hx_swept s;
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, swept_cb, &s, NULL), HX_PG_OK);
    return s;
}

static struct hx_swept sweep(int64_t behind_ms, int32_t limit) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_sweep(tx, behind_ms, limit);
    return swept(tx);
}

static void the_sweep_walks_each_id_once(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    assert_int_equal(claim(put_worker(), ids + 1, 1), 1);
    hx_loop_once(ledger.loop, 2);                  /* into the next millisecond */
    assert_int_equal(sweep(60000, 100).walked, 0); /* too young */
    struct hx_swept s = sweep(0, 2);
    assert_true(s.walked == 2 && s.swept == 1 && s.any);
    assert_memory_equal(&s.last, &ids[1], 16);
    s = sweep(0, 2);
    assert_true(s.walked == 1 && s.swept == 1);
    assert_memory_equal(&s.last, &ids[2], 16);
    s = sweep(0, 2);
    assert_true(s.walked == 0 && s.swept == 0 && !s.any);
    assert_value("2", "select count(*) from waiting where reason = 'swept' and announced and due <= clock_timestamp()");
    assert_value("1", "select count(*) from sweep where position = %s", q(&ids[2]));
}

static void a_peek_looks_ahead_and_moves_nothing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    char position[64];
    hx_strcopy(position, sizeof position, value("select position from sweep"));
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    hx_loop_once(ledger.loop, 2);
    struct hx_uuid from = { 0 };
    for (int i = 0; i < 3; i++) {
        struct hx_pg_tx *tx = hx_pg_tx_new("test");
        hx_ledger_peek(tx, 0, 1, &from);
        struct hx_swept s = swept(tx);
        assert_true(s.walked == 1 && s.swept == 1 && s.any);
        assert_memory_equal(&s.last, &ids[i], 16);
        from = s.last;
    }
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_peek(tx, 0, 1, &from);
    assert_false(swept(tx).any);
    assert_value(position, "select position from sweep");
    assert_int_equal(sweep(0, 10).swept, 0); /* they have their rows */
}

static int64_t fold(int32_t limit) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    return run(tx, hx_ledger_fold(tx, limit))->value[0][0].number;
}

static void folding_adds_up(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[4];
    put_jobs(ids, 4, "a");
    assert_int_equal(fold(100), 1);
    assert_int_equal(claim(put_worker(), ids, 3), 3);
    assert_int_equal(fold(1), 1);
    assert_int_equal(fold(100), 1);
    assert_int_equal(fold(100), 0);
    assert_value("0", "select count(*) from delta");
    assert_value("queued=1 running=3", "select string_agg(status || '=' || count, ' ' order by status) from job_count");
}

static void upkeep_makes_partitions_and_forgets_the_dead(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t holds = put_worker(), gone = put_worker(), recent = put_worker(), claims = put_worker();
    put_running(holds);
    sql("update worker set dead = true where id <> %d", holds);
    sql("update worker set renewed_at = now() - interval '2 h' where id <> %d", recent);
    sql("insert into claim (token, worker, ids) values (gen_random_uuid(), %d, '{}')", claims);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_upkeep(tx));
    assert_int_equal(g->value[0][0].number, 0); /* they are there */
    assert_int_equal(g->value[0][1].number, 1);
    assert_value("0", "select count(*) from worker where id = %d", gone);
    assert_value("1", "select count(*) from worker where id = %d", claims);
}

/* Only when somebody takes the default partition away does an event find none; then it is nobody's fault, and upkeep mends it. */
static void an_event_always_has_a_partition_or_waits_for_one(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid id = put_running(put_worker());
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const char *const detail = "{}";
    sql("update job set updated_at = '2900-01-01'");
    assert_int_equal(run(tx, hx_ledger_progress(tx, &id, (const int32_t[]){ 1 }, &detail, 1))->affected, 1);
    assert_value("1", "select count(*) from job_event_default");
    sql("delete from job_event_default");
    sql("update job set updated_at = (select max(ts) from job_event)");

    const char *month = value("to_char(clock_timestamp() at time zone 'UTC', 'YYYY_MM')");
    _cleanup_free_ char *partition = hx_printf("job_event_%s", month);
    sql("alter table job_event detach partition job_event_default");
    sql("alter table %s rename to job_event_aside", partition);
    sql("alter table job_event detach partition job_event_aside");
    struct hx_pg_error error;
    tx = hx_pg_tx_new("test");
    hx_ledger_progress(tx, &id, (const int32_t[]){ 1 }, &detail, 1);
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, NULL, NULL, &error), HX_PG_UNAVAILABLE);
    assert_string_equal(error.sqlstate, "23514");

    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_upkeep(tx))->value[0][0].number, 1);
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_progress(tx, &id, (const int32_t[]){ 1 }, &detail, 1))->affected, 1);
    sql("insert into %s select * from job_event_aside", partition);
    sql("drop table job_event_aside");
    sql("alter table job_event attach partition job_event_default default");
}

static void the_schema_says_its_revision(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    if (strcmp(value("to_regclass('alembic_version') is null"), "true") == 0)
        skip(); /* migrated by hand */
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_schema(tx));
    assert_int_equal(g->rows, 1);
    assert_true(strlen(g->value[0][0].text) > 0);
}

LEDGER_MAIN(LEDGER_TEST(a_failed_job_that_is_due_is_announced), LEDGER_TEST(a_delayed_job_that_is_due_is_announced),
            LEDGER_TEST(the_sweep_walks_each_id_once), LEDGER_TEST(a_peek_looks_ahead_and_moves_nothing),
            LEDGER_TEST(folding_adds_up), LEDGER_TEST(upkeep_makes_partitions_and_forgets_the_dead),
            LEDGER_TEST(an_event_always_has_a_partition_or_waits_for_one), LEDGER_TEST(the_schema_says_its_revision))
