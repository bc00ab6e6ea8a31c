#include "ledger_test.h"

static struct hx_death death_of(int32_t worker) {
    return (struct hx_death){ .worker = worker,
                              .code = "SIGSEGV",
                              .message = "worker died",
                              .detail = "{\"signal\": 11}",
                              .backoff_base_ms = 60000,
                              .backoff_max_ms = 600000,
                              .max_crashes = 3 };
}

static void reaped_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    assert_null(error);
    *(struct hx_reaped *)user = hx_ledger_read_reaped(tx, 2);
}

static struct hx_reaped reap(const struct hx_death *death) {
    struct hx_reaped reaped;
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(hx_ledger_reap(tx, death), 2);
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, reaped_cb, &reaped, NULL), HX_PG_OK);
    return reaped;
}

static void a_worker_signs_on(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    static const char *const types[] = { "a", "b,\"c" };
    struct hx_worker_info worker = { .host = "m",
                                     .hostname = "h",
                                     .instance = "i",
                                     .boot_id = "b",
                                     .version = "v",
                                     .slot = 2,
                                     .pid = 77,
                                     .incarnation = hx_uuid_v4(),
                                     .types = types,
                                     .type_count = 2,
                                     .lease_ms = 15000 };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    int64_t id = run(tx, hx_ledger_register_worker(tx, &worker))->value[0][0].number;
    assert_value("1",
                 "select count(*) from worker where id = %lld and host = 'm' and hostname = 'h' and instance = 'i' and "
                 "boot_id = 'b' "
                 "and version = 'v' and slot = 2 and pid = 77 and incarnation = %s and types = array['a', "
                 "'b,\"c']::varchar[] and lease_ms = 15000 and not dead",
                 (long long)id, q(&worker.incarnation));
}

static void a_lease_moves_until_death(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_true(run(tx, hx_ledger_renew(tx, worker, 5, 9000))->value[0][0].flag);
    assert_value("1 5 9000", "select concat_ws(' ', lease, running, lease_ms) from worker");
    tx = hx_pg_tx_new("test");
    const struct got *watched = run(tx, hx_ledger_leases(tx));
    assert_int_equal(watched->rows, 1);
    assert_int_equal(watched->value[0][1].number, 1);
    sql("update worker set dead = true");
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_leases(tx))->rows,
                     0); /* or it would be reaped again for as long as its row is there */
    tx = hx_pg_tx_new("test");
    assert_false(run(tx, hx_ledger_renew(tx, worker, 5, 9000))->value[0][0].flag);
    assert_value("1", "select lease from worker");
}

static void what_a_worker_asks_about_itself(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid id = put_running(worker), token;
    sql("insert into signal values (%d, %s, 'why')", worker, q(&id));
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_signals(tx, worker));
    assert_int_equal(g->rows, 1);
    assert_memory_equal(&g->value[0][0].id, &id, 16);
    assert_string_equal(g->value[0][1].text, "why");

    assert_int_equal(hx_uuid_parse(value("select token from claim"), &token), 0);
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_claims_of(tx, worker));
    assert_int_equal(g->rows, 1);
    assert_memory_equal(&g->value[0][0].id, &token, 16);
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_claims_of(tx, worker + 1))->rows, 0);
}

static void signing_off_needs_empty_hands(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t busy = put_worker(), idle = put_worker();
    put_running(busy);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_sign_off(tx, busy))->affected, 0);
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_sign_off(tx, idle))->affected, 1);
    assert_value("1", "select count(*) from worker");
}

static void another_run_of_the_supervisor_leaves_orphans(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t old = put_worker();
    struct hx_uuid mine = hx_uuid_v4(), theirs = { 0 };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_bereaved(tx, "machine", "host", "main", &mine));
    assert_int_equal(g->rows, 1);
    assert_int_equal(g->value[0][0].number, old);
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_bereaved(tx, "machine", "host", "main", &theirs))->rows, 0); /* the same run */
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_bereaved(tx, "machine", "host", "second", &mine))->rows, 0);
    tx = hx_pg_tx_new("test"); /* a container with the same machine id */
    assert_int_equal(run(tx, hx_ledger_bereaved(tx, "machine", "other", "main", &mine))->rows, 0);
}

static void evidence_decides(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[4];
    put_jobs(ids, 4, "a");
    assert_int_equal(claim(worker, ids, 4), 4);
    /* 0 had started; 1 had ended; 2 not started; of 3 an older run is known, which proves nothing about this one */
    const struct hx_uuid known[] = { ids[0], ids[1], ids[3] };
    struct hx_death death = death_of(worker);
    death.detail = "{\"signal\": 11, \"stderr\": \"last words\"}";
    death.ids = known;
    death.fences = (const int32_t[]){ 1, 1, 0 };
    death.ended = (const bool[]){ false, true, false };
    death.n = 3;
    struct hx_reaped r = reap(&death);
    assert_true(r.started == 1 && r.ended == 1 && r.untouched == 2 && r.dead_lettered == 0);
#define JOB                                                                                                       \
    "select concat_ws(' ', status, attempt, max_attempts, crash_count, coalesce(last_error_code, '-')) from job " \
    "where id = %s"
    assert_value("failed 1 3 1 SIGSEGV", JOB, q(&ids[0]));
    assert_value("queued 1 4 0 -", JOB, q(&ids[1]));
    assert_value("queued 0 3 0 -", JOB, q(&ids[2]));
    assert_value("queued 0 3 0 -", JOB, q(&ids[3]));
    assert_value(
        "1", "select count(*) from waiting where job_id = %s and reason = 'retry' and due <= now() + interval '61 s'",
        q(&ids[0]));
    assert_value(
        "3", "select count(*) from waiting where reason = 'released' and not announced and due <= clock_timestamp()");
    assert_value(
        "1",
        "select count(*) from job_event where detail_json @> '{\"signal\": 11, \"run\": \"started\", \"crashes\": 1, "
        "\"error\": {\"code\": \"SIGSEGV\", \"message\": \"worker died\"}}'");
    assert_value(
        "started",
        "select string_agg(detail_json ->> 'run', ' ') from job_event where detail_json ->> 'stderr' = 'last words'");
    assert_value("t 0 0", "select concat_ws(' ', (select dead from worker), (select count(*) from claim), (select "
                          "count(*) from signal))");

    r = reap(&death); /* again, by another scheduler */
    assert_true(r.started + r.ended + r.untouched == 0);
}

/* As its worker would have said, had it had the time. */
static void a_death_may_have_a_reason(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    assert_int_equal(claim(worker, ids, 2), 2);
    struct hx_death death = death_of(worker);
    death.detail = "{\"reason\": \"drain\"}";
    death.ids = ids;
    death.fences = (const int32_t[]){ 1 };
    death.ended = (const bool[]){ true };
    death.n = 1;
    reap(&death);
    assert_value("queued 1 4 0, queued 0 3 0", "select string_agg(concat_ws(' ', status, attempt, max_attempts, "
                                               "crash_count), ', ' order by attempt desc) from job");
    assert_value("drain ended, drain untouched", "select string_agg(concat_ws(' ', detail_json ->> 'reason', "
                                                 "detail_json ->> 'run'), ', ' order by detail_json ->> "
                                                 "'run') from job_event where prev_status = 'running'");
}

static void what_was_to_stop_is_canceled(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    assert_int_equal(claim(worker, ids, 2), 2);
    sql("insert into signal values (%d, %s, 'not needed')", worker, q(&ids[0]));
    struct hx_death death = death_of(worker);
    death.no_evidence = true;
    reap(&death);
    assert_value("canceled canceled not needed",
                 "select concat_ws(' ', status, last_error_code, last_error_message) from job where id = %s",
                 q(&ids[0]));
    assert_value("failed", "select status from job where id = %s", q(&ids[1]));
    assert_value("0 1", "select concat_ws(' ', (select count(*) from signal), (select count(*) from waiting))");
    assert_value("{\"run\": \"started\", \"error\": {\"code\": \"SIGSEGV\", \"message\": \"worker died\"}, \"reason\": "
                 "\"not needed\", \"signal\": 11, \"attempt\": 1, \"crashes\": 1}",
                 "select detail_json from job_event where job_id = %s and next_status = 'canceled'", q(&ids[0]));
}

/* As that of a settlement (test_settle.c). */
static void a_request_beside_a_death_is_not_missed(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid id = put_running(worker);
    begin_request(worker, &id);
    struct hx_death death = death_of(worker);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    wait_for_request(tx);
    hx_ledger_reap(tx, &death);
    run(tx, 0);
    assert_value("canceled asked", "select concat_ws(' ', status, last_error_message) from job");
    assert_value("0", "select count(*) from signal");
}

static void without_evidence_all_had_started(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    assert_int_equal(claim(worker, ids, 2), 2);
    struct hx_death death = death_of(worker);
    death.no_evidence = true;
    death.detail = NULL;
    assert_int_equal(reap(&death).started, 2);
    assert_value("2", "select count(*) from job where status = 'failed' and crash_count = 1");
}

/* Twenty that went down with one worker: base 1 min, at most 10 min, which is what the tenth attempt has come to. */
static void crashes_back_off_with_full_jitter_up_to_the_cap(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[20];
    put_jobs(ids, 20, "a");
    assert_int_equal(claim(worker, ids, 20), 20);
    sql("update job set attempt = 10, max_attempts = 99");
    struct hx_death death = death_of(worker);
    death.no_evidence = true;
    reap(&death);
    assert_value(
        "20 true true true",
        "select concat_ws(' ', count(*), (count(distinct w.due - j.updated_at) > 1)::text, "
        "(max(w.due - j.updated_at) <= interval '10 min')::text, (max(w.due - j.updated_at) > interval '1 min')::text) "
        "from waiting w join job j on j.id = w.job_id where w.reason = 'retry'");
}

static void only_its_own_jobs_are_released(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker(), other = put_worker();
    struct hx_uuid done = put_running(worker), again = put_running(worker);
    put_running(other);
    /* what it had completed, and what went on elsewhere, is still in its claim */
    settle((struct hx_outcome[]){ { .id = done, .fence = 1, .status = HX_SUCCEEDED },
                                  { .id = again, .fence = 1, .status = HX_QUEUED, .reason = "released" } },
           2);
    assert_int_equal(claim(other, &again, 1), 1);
    struct hx_death death = death_of(worker);
    death.no_evidence = true;
    assert_int_equal(reap(&death).started, 0);
    assert_value("2", "select count(*) from job where status = 'running' and worker = %d", other);
    assert_value("2", "select count(*) from claim");
}

static void a_budget_used_up_is_a_dead_letter(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid id = put_running(worker);
    sql("update job set max_attempts = 1");
    struct hx_death death = death_of(worker);
    death.no_evidence = true;
    assert_int_equal(reap(&death).dead_lettered, 1);
    assert_value("1", "select count(*) from outbox where kind = 'dead_letter' and ids = array[%s]", q(&id));
    assert_value("worker died", "select last_error_message from job");
}

static void poison_is_a_dead_letter(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid id = put_job("a");
    sql("update job set max_attempts = 100");
    for (int deaths = 1; deaths <= 4; deaths++) {
        int32_t worker = put_worker();
        sql("update waiting set due = now()");
        struct hx_pg_tx *tx = hx_pg_tx_new("test");
        run(tx, hx_ledger_due(tx, 10));
        assert_int_equal(claim(worker, &id, 1), 1);
        struct hx_death death = death_of(worker);
        death.no_evidence = true;
        assert_int_equal(reap(&death).dead_lettered, deaths == 4);
    }
    assert_value("dead_letter 4 poison: took down 4 workers; worker died",
                 "select concat_ws(' ', status, crash_count, last_error_message) from job");
}

static void permits_come_back(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", 1, false);
    struct hx_uuid id = put_job("a"), token = hx_uuid_v4();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_claim_limited(tx, &token, worker, &id, 1, 3, "a", LABEL))->rows, 1);
    struct hx_death death = death_of(worker);
    reap(&death);
    assert_value("1", "select count(*) from permit where job_id is null and worker is null");
}

LEDGER_MAIN(LEDGER_TEST(a_worker_signs_on), LEDGER_TEST(a_lease_moves_until_death),
            LEDGER_TEST(what_a_worker_asks_about_itself), LEDGER_TEST(signing_off_needs_empty_hands),
            LEDGER_TEST(another_run_of_the_supervisor_leaves_orphans), LEDGER_TEST(evidence_decides),
            LEDGER_TEST(a_death_may_have_a_reason), LEDGER_TEST(what_was_to_stop_is_canceled),
            LEDGER_TEST(a_request_beside_a_death_is_not_missed), LEDGER_TEST(without_evidence_all_had_started),
            LEDGER_TEST(crashes_back_off_with_full_jitter_up_to_the_cap), LEDGER_TEST(only_its_own_jobs_are_released),
            LEDGER_TEST(a_budget_used_up_is_a_dead_letter), LEDGER_TEST(poison_is_a_dead_letter),
            LEDGER_TEST(permits_come_back))
