#include "ledger_test.h"

static const char *const TYPES[] = { "a", "b" };

/* Rows of claim, claim_limited or claimed_again, decoded. */
struct jobs {
    int statement, rows;
    struct hx_job job[8];
    char type[8][16], payload[8][64], traceparent[8][64];
};

static void jobs_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct jobs *j = user;
    assert_null(error);
    j->rows = hx_pg_rows(tx, j->statement);
    for (int i = 0; i < j->rows && i < 8; i++) {
        struct hx_job *job = &j->job[i];
        *job = hx_ledger_read_job(tx, j->statement, i);
        assert_int_equal(strlen(job->payload), job->payload_len);
        hx_strcopy(j->type[i], sizeof j->type[i], job->type);
        hx_strcopy(j->payload[i], sizeof j->payload[i], job->payload);
        hx_strcopy(j->traceparent[i], sizeof j->traceparent[i], job->traceparent ? job->traceparent : "none");
    }
}

static void run_jobs(struct hx_pg_tx *tx, struct jobs *j) {
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, jobs_cb, j, NULL), HX_PG_OK);
}

static int claim_limited(int32_t worker, const struct hx_uuid *ids, size_t n) {
    struct hx_uuid token = hx_uuid_v4();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    struct jobs j = { .statement = hx_ledger_claim_limited(tx, &token, worker, ids, n, 4, "a", LABEL) };
    run_jobs(tx, &j);
    for (int i = 0; i < j.rows; i++)
        assert_int_equal(j.job[i].max_attempts, 4);
    return j.rows;
}

static void a_claim_brings_all_that_a_run_needs(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_new_job made[] = { new_job("a"), new_job("b") };
    made[0].payload = "{\"n\": 1}";
    made[0].payload_len = strlen(made[0].payload);
    made[1].org_id = hx_uuid_v4();
    made[1].priority = 5;
    made[1].max_attempts = 9;
    made[1].timeout_ms = 1500;
    made[1].traceparent = "00-trace";
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, made, 2));

    const struct hx_uuid ids[] = { made[0].id, made[1].id }, token = hx_uuid_v4();
    tx = hx_pg_tx_new("test");
    struct jobs j = { .statement =
                          hx_ledger_claim(tx, &token, worker, ids, (const int32_t[]){ 3, 3 }, 2, TYPES, 2, LABEL) };
    run_jobs(tx, &j);
    assert_int_equal(j.rows, 2);
    int b = j.type[1][0] == 'b', a = !b;
    assert_memory_equal(&j.job[a].id, &made[0].id, 16);
    assert_memory_equal(&j.job[b].org_id, &made[1].org_id, 16);
    assert_string_equal(j.payload[a], "{\"n\": 1}");
    assert_string_equal(j.payload[b], "{}");
    assert_string_equal(j.traceparent[a], "none");
    assert_string_equal(j.traceparent[b], "00-trace");
    assert_int_equal(j.job[a].attempt, 1);
    assert_int_equal(j.job[a].fence, 1);
    assert_int_equal(j.job[a].crash_count, 0);
    assert_int_equal(j.job[a].max_attempts, 3);
    assert_int_equal(j.job[b].max_attempts, 9); /* the submitter's goes before the handler's */
    assert_int_equal(j.job[b].priority, 5);
    assert_true(j.job[a].timeout_ms == INT64_MIN && j.job[b].timeout_ms == 1500);
    assert_value("1", "select count(*) from claim where token = %s and worker = %d and cardinality(ids) = 2", q(&token),
                 worker);
    assert_value("2", "select count(*) from job_event where prev_status = 'queued' and next_status = 'running' "
                      "and detail_json = '{\"attempt\": 1, \"worker\": \"host/\\\"main\\\"/0\"}'");
    assert_value("2", "select count(*) from job where status = 'running' and worker = %d and started_at is not null",
                 worker);
}

static void who_comes_second_gets_nothing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t one = put_worker(), two = put_worker();
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    assert_int_equal(claim(one, ids, 2), 2);
    assert_int_equal(claim(two, ids, 3), 1);
    assert_int_equal(claim(two, ids, 3), 0);
    assert_value("2", "select count(*) from claim"); /* none for a claim that got nothing */
    assert_value("3", "select sum(fence) from job");
    const struct hx_uuid unknown = hx_uuid_v7();
    assert_int_equal(claim(one, &unknown, 1), 0);
}

static void a_dead_worker_claims_nothing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    sql("update worker set dead = true");
    struct hx_uuid id = put_job("a");
    assert_int_equal(claim(worker, &id, 1), 0);
    assert_int_equal(claim(worker + 1, &id, 1), 0);
    assert_value("queued", "select status from job");
}

static void a_type_without_a_handler_is_left(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid id = put_job("z");
    assert_int_equal(claim(worker, &id, 1), 0);
    assert_value("0", "select count(*) from waiting");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_park(tx, &id, 1, "no_handler"))->affected, 1);
    assert_value("z default no_handler t", "select concat_ws(' ', type, queue, reason, announced) from waiting");
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, &id, 1, "no_handler")); /* again: the same row */
    assert_value("1", "select count(*) from waiting");
}

static void a_paused_type_waits(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", INT32_MIN, true);
    struct hx_uuid id = put_job("a");
    assert_int_equal(claim(worker, &id, 1), 0);
    assert_value("q paused", "select concat_ws(' ', queue, reason) from waiting");
    put_type("a", INT32_MIN, false);
    assert_int_equal(claim(worker, &id, 1), 1);
    assert_value("0", "select count(*) from waiting");
}

static void a_claim_takes_the_waiting_row_along(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, ids, 2, "no_handler"));
    assert_int_equal(claim(worker, ids, 1), 1);
    assert_value("1", "select count(*) from waiting where job_id = %s", q(&ids[1]));
}

/* A record that is read twice, when the backoff is over: first it has to become queued, which is a transition of its own. */
static void what_has_failed_is_not_claimed(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", 1, false);
    struct hx_uuid id = put_running(worker);
    settle(&(struct hx_outcome){ .id = id, .fence = 1, .status = HX_FAILED, .code = "e", .reason = "retry" }, 1);
    assert_value("true", "select due <= clock_timestamp() from waiting");
    assert_int_equal(claim(worker, &id, 1), 0);
    assert_int_equal(claim_limited(worker, &id, 1), 0);
    assert_value("failed", "select status from job");
    assert_value("retry", "select reason from waiting");
}

static void an_in_doubt_claim_is_asked_by_its_token(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    const struct hx_uuid token = hx_uuid_v4(), other = hx_uuid_v4();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_claim(tx, &token, worker, ids, (const int32_t[]){ 3, 3, 3 }, 3, TYPES, 2, LABEL));

    tx = hx_pg_tx_new("test");
    assert_true(run(tx, hx_ledger_asked(tx, &token))->value[0][0].flag);
    tx = hx_pg_tx_new("test");
    assert_false(run(tx, hx_ledger_asked(tx, &other))->value[0][0].flag);

    settle(&(struct hx_outcome){ .id = ids[0], .fence = 1, .status = HX_SUCCEEDED }, 1);
    settle(&(struct hx_outcome){ .id = ids[2], .fence = 1, .status = HX_QUEUED, .add_attempt = -1 }, 1);
    assert_int_equal(claim(put_worker(), &ids[2], 1), 1);
    tx = hx_pg_tx_new("test");
    struct jobs j = { .statement = hx_ledger_claimed_again(tx, &token, worker) };
    run_jobs(tx, &j);
    assert_int_equal(j.rows, 1);
    assert_memory_equal(&j.job[0].id, &ids[1], 16);
    assert_int_equal(j.job[0].fence, 1);
}

static bool lives(int32_t pid) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    return run(tx, hx_ledger_backend(tx, pid))->value[0][0].flag;
}

/* ledger.raw stands for the old connection: it has another pid and the same name. */
static void an_old_backend_is_known_by_pid_and_name(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t pid = (int32_t)strtol(value("pg_backend_pid()"), NULL, 10);
    assert_true(lives(pid));
    assert_false(lives(1));
    sql("set application_name = 'somebody else'"); /* who got its pid */
    assert_false(lives(pid));
    sql("reset application_name");
    assert_true(lives(pid));
}

static void a_receipt_is_a_claim_of_nothing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    const struct hx_uuid token = hx_uuid_v4(), late = hx_uuid_v4();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_receipt(tx, &token, worker);
    assert_true(run(tx, hx_ledger_asked(tx, &token))->value[0][0].flag);
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_claimed_again(tx, &token, worker))->rows, 0);
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_claim_done(tx, &token, 1));
    sql("update worker set dead = true"); /* nobody would delete it */
    tx = hx_pg_tx_new("test");
    hx_ledger_receipt(tx, &late, worker);
    assert_false(run(tx, hx_ledger_asked(tx, &late))->value[0][0].flag);
    assert_value("0", "select count(*) from claim");
}

/* --- a fleet-wide limit --- */

static void as_many_run_as_there_are_permits(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", 2, false);
    struct hx_new_job made[] = { new_job("a"), new_job("a"), new_job("a"), new_job("b") };
    made[2].priority = 1;
    struct hx_uuid ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = made[i].id;
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, made, 4));

    assert_int_equal(claim_limited(worker, ids, 3), 2);
    assert_value("2", "select count(*) from job where status = 'running' and id in (%s, %s)", q(&ids[0]), q(&ids[2]));
    assert_value("limited", "select reason from waiting where job_id = %s", q(&ids[1]));
    assert_value("2", "select count(distinct job_id) from permit where worker = %d", worker);
    assert_int_equal(claim_limited(worker, ids + 1, 1), 0);

    settle(&(struct hx_outcome){ .id = ids[0], .fence = 1, .status = HX_SUCCEEDED }, 1);
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_permit_free(tx, ids, 1))->affected, 1);
    assert_int_equal(claim_limited(worker, ids + 1, 1), 1);
    assert_value("0", "select count(*) from waiting");
}

static void a_paused_type_gives_no_permit(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", 2, true);
    struct hx_uuid id = put_job("a");
    assert_int_equal(claim_limited(worker, &id, 1), 0);
    assert_value("paused", "select reason from waiting");
    assert_value("0", "select count(*) from permit where job_id is not null");
}

static void a_lowered_limit_holds(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", 3, false);
    put_type("a", 1, false);
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    assert_int_equal(claim_limited(worker, ids, 2), 1);
}

static void ids_of_no_job_are_missing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[5], gone[] = { hx_uuid_v7(), hx_uuid_v7() };
    put_jobs(ids, 3, "a");
    memcpy(&ids[3], gone, sizeof gone);
    struct hx_uuid asked[] = { ids[4], ids[0], ids[3], ids[1], ids[2] };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_cancel(tx, &ids[1], 1, "why")); /* a job all the same */
    tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_missing(tx, asked, 5));
    assert_int_equal(g->rows, 2);
    for (int i = 0; i < 2; i++)
        assert_true(hx_uuid_eq(&g->value[i][0].id, &gone[i]));
}

LEDGER_MAIN(LEDGER_TEST(ids_of_no_job_are_missing), LEDGER_TEST(a_claim_brings_all_that_a_run_needs),
            LEDGER_TEST(who_comes_second_gets_nothing), LEDGER_TEST(a_dead_worker_claims_nothing),
            LEDGER_TEST(a_type_without_a_handler_is_left), LEDGER_TEST(a_paused_type_waits),
            LEDGER_TEST(a_claim_takes_the_waiting_row_along), LEDGER_TEST(what_has_failed_is_not_claimed),
            LEDGER_TEST(an_in_doubt_claim_is_asked_by_its_token), LEDGER_TEST(an_old_backend_is_known_by_pid_and_name),
            LEDGER_TEST(a_receipt_is_a_claim_of_nothing), LEDGER_TEST(as_many_run_as_there_are_permits),
            LEDGER_TEST(a_paused_type_gives_no_permit), LEDGER_TEST(a_lowered_limit_holds))
