#include "ledger_test.h"

static void complete_writes_each_result(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    assert_int_equal(claim(worker, ids, 2), 2);
    const char *const details[] = { NULL, "{\"result\": 2}" };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g =
        run(tx, hx_ledger_complete(tx, ids, (const int32_t[]){ 1, 1 }, details, 2, "{\"result\": 1}"));
    assert_int_equal(g->rows, 2);
    assert_value("{\"result\": 1}", "select detail_json from job_event where job_id = %s and next_status = 'succeeded'",
                 q(&ids[0]));
    assert_value("{\"result\": 2}", "select detail_json from job_event where job_id = %s and next_status = 'succeeded'",
                 q(&ids[1]));
}

static void without_details_one_serves_for_all(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    assert_int_equal(claim(put_worker(), ids, 2), 2);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_complete(tx, ids, (const int32_t[]){ 1, 1 }, NULL, 2, "{}"))->rows, 2);
    assert_value("2", "select count(*) from job_event where next_status = 'succeeded' and detail_json = '{}'");
}

static void id_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    assert_null(error);
    assert_int_equal(hx_pg_rows(tx, 0), 1);
    *(struct hx_uuid *)user = hx_ledger_read_id(tx, 0, 0);
}

static void a_stale_fence_changes_nothing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    assert_int_equal(claim(worker, ids, 2), 2);
    /* the first is under fence 1, not 2; the third isn't running */
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_complete(tx, ids, (const int32_t[]){ 2, 1, 0 }, NULL, 3, NULL);
    struct hx_uuid done;
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, id_cb, &done, NULL), HX_PG_OK);
    assert_memory_equal(&done, &ids[1], 16);
    assert_value("running", "select status from job where id = %s", q(&ids[0]));

    const struct hx_outcome outcomes[] = {
        { .id = ids[0], .fence = 2, .status = HX_FAILED, .reason = "retry" },
        { .id = ids[1], .fence = 1, .status = HX_DEAD_LETTER },
        { .id = ids[2], .fence = 0, .status = HX_CANCELED },
    };
    assert_int_equal(settle(outcomes, 3), 0);
    assert_value("0", "select count(*) from waiting");
}

static void every_outcome_leaves_what_it_should(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_uuid ids[6];
    put_jobs(ids, 6, "a");
    assert_int_equal(claim(put_worker(), ids, 6), 6);
    const struct hx_outcome outcomes[] = {
        { .id = ids[0], .fence = 1, .status = HX_SUCCEEDED, .detail = "{\"result\": 1}" },
        { .id = ids[1],
          .fence = 1,
          .status = HX_FAILED,
          .code = "timeout",
          .message = "took too long",
          .delay_ms = 60000,
          .reason = "retry" },
        { .id = ids[2], .fence = 1, .status = HX_DEAD_LETTER, .code = "bad", .message = "never" },
        { .id = ids[3], .fence = 1, .status = HX_CANCELED, .message = "asked" },
        { .id = ids[4],
          .fence = 1,
          .status = HX_QUEUED,
          .delay_ms = 3600000,
          .reason = "snoozed",
          .add_max_attempts = 1 },
        { .id = ids[5], .fence = 1, .status = HX_QUEUED, .reason = "released", .add_attempt = -1 },
    };
    assert_int_equal(settle(outcomes, 6), 6);
#define JOB                                                                                 \
    "select concat_ws(' ', status, attempt, max_attempts, coalesce(last_error_code, '-'), " \
    "coalesce(last_error_message, '-')) from job where id = %s"
    assert_value("succeeded 1 3 - -", JOB, q(&ids[0]));
    assert_value("failed 1 3 timeout took too long", JOB, q(&ids[1]));
    assert_value("dead_letter 1 3 bad never", JOB, q(&ids[2]));
    assert_value("canceled 1 3 canceled asked", JOB, q(&ids[3]));
    assert_value("queued 1 4 - -", JOB, q(&ids[4]));
    assert_value("queued 0 3 - -", JOB, q(&ids[5]));
#define WAITS                                                                                                          \
    "select concat_ws(' ', reason, queue, announced, round(extract(epoch from due - now()) / 60)) from waiting where " \
    "job_id = %s"
    assert_value("retry q f 1", WAITS, q(&ids[1]));
    assert_value("snoozed q f 60", WAITS, q(&ids[4]));
    assert_value("released q f 0", WAITS, q(&ids[5]));
    assert_value("3", "select count(*) from waiting");
    assert_value("1", "select count(*) from outbox where kind = 'dead_letter' and ids = array[%s] and due <= now()",
                 q(&ids[2]));
    assert_value("6", "select count(*) from job_event where prev_status = 'running'");
}

static void an_error_without_a_code_gets_one(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid id = put_running(put_worker());
    settle(&(struct hx_outcome){ .id = id, .fence = 1, .status = HX_FAILED, .message = "m" }, 1);
    assert_value("error retry", "select concat_ws(' ', last_error_code, reason) from job, waiting");
}

static void what_was_asked_to_stop_is_canceled_unless_it_succeeded(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid ids[5];
    put_jobs(ids, 5, "a");
    assert_int_equal(claim(worker, ids, 5), 5);
    sql("insert into signal select worker, id, 'why' from job");
    sql("insert into signal select worker + 1, id, 'another worker''s' from job");
    const struct hx_outcome outcomes[] = {
        { .id = ids[0], .fence = 1, .status = HX_SUCCEEDED },
        { .id = ids[1], .fence = 1, .status = HX_CANCELED, .message = "own", .detail = "{\"reason\": \"own\"}" },
        { .id = ids[2], .fence = 1, .status = HX_DEAD_LETTER, .code = "bad", .message = "never" },
        { .id = ids[3],
          .fence = 1,
          .status = HX_FAILED,
          .code = "bad",
          .delay_ms = 5,
          .detail = "{\"attempt\": 1, \"retry_in_ms\": 5}" },
        { .id = ids[4],
          .fence = 1,
          .status = HX_QUEUED,
          .reason = "released",
          .add_attempt = -1,
          .add_max_attempts = 1 },
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    int statement = hx_ledger_settle(tx, worker, outcomes, 5);
    const struct got *g = run(tx, statement);
    assert_int_equal(g->rows, 5);
#define ROW \
    "select concat_ws(' ', status, attempt, max_attempts, last_error_code, last_error_message) from job where id = %s"
#define DETAIL "select detail_json from job_event where job_id = %s and prev_status = 'running'"
    assert_value("succeeded 1 3", ROW, q(&ids[0]));
    assert_value("canceled 1 3 canceled own", ROW, q(&ids[1]));
    assert_value("canceled 1 3 canceled why", ROW, q(&ids[2]));
    assert_value("canceled 1 3 canceled why", ROW, q(&ids[3]));
    assert_value("canceled 0 3 canceled why", ROW, q(&ids[4]));
    assert_value("{\"reason\": \"own\"}", DETAIL, q(&ids[1]));
    assert_value("{\"reason\": \"why\"}", DETAIL, q(&ids[2]));
    assert_value("{\"reason\": \"why\", \"attempt\": 1}", DETAIL, q(&ids[3]));
    assert_value("{\"run\": \"untouched\", \"reason\": \"why\", \"attempt\": 0}", DETAIL, q(&ids[4]));
    assert_value("0 0",
                 "select concat_ws(' ', (select count(*) from waiting), (select count(*) from outbox where kind = "
                 "'dead_letter'))");
}

/* Its job is locked ahead, in a statement of its own: the settlement's snapshot has the request then. */
static void a_request_that_is_being_written_is_not_missed(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid id = put_running(worker);
    begin_request(worker, &id);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    wait_for_request(tx);
    const struct hx_outcome failed = { .id = id, .fence = 1, .status = HX_FAILED, .code = "e", .reason = "retry" };
    assert_int_equal(run(tx, hx_ledger_settle(tx, worker, &failed, 1))->rows, 1);
    assert_value("canceled asked", "select concat_ws(' ', status, last_error_message) from job");
}

static void the_ends_of_a_claim(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    struct hx_uuid id = put_running(worker), token;
    assert_int_equal(hx_uuid_parse(value("select token from claim"), &token), 0);
    sql("insert into signal values (%d, %s, 'x'), (%d, %s, 'another worker''s')", worker, q(&id), worker + 1, q(&id));

    /* as a worker sends it: one transaction */
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_settle(tx, worker, &(struct hx_outcome){ .id = id, .fence = 1, .status = HX_CANCELED }, 1);
    int answered = hx_ledger_answered(tx, worker, &id, 1);
    hx_ledger_claim_done(tx, &token, 1);
    assert_int_equal(run(tx, answered)->affected, 1);
    assert_value("0", "select count(*) from claim");
    assert_value("1", "select count(*) from signal");
}

/* Sent again when it isn't known whether it was written, while the job already runs once more. */
static void the_end_of_a_run_is_not_its_successors(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", 1, false);
    struct hx_uuid id = put_job("a"), token = hx_uuid_v4();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_claim_limited(tx, &token, worker, &id, 1, 3, "a", LABEL))->rows, 1);
    sql("insert into signal values (%d, %s, 'x')", worker, q(&id));
    tx = hx_pg_tx_new("test");
    int answered = hx_ledger_answered(tx, worker, &id, 1);
    int freed = hx_ledger_permit_free(tx, &id, 1);
    assert_int_equal(run(tx, answered)->affected, 0);
    assert_value(
        "1 1", "select concat_ws(' ', (select count(*) from signal), (select count(*) from permit where job_id = %s))",
        q(&id));
    tx = hx_pg_tx_new("test");
    hx_ledger_settle(tx, worker, &(struct hx_outcome){ .id = id, .fence = 1, .status = HX_SUCCEEDED }, 1);
    answered = hx_ledger_answered(tx, worker, &id, 1);
    freed = hx_ledger_permit_free(tx, &id, 1);
    assert_int_equal(run(tx, freed)->affected, 1);
    assert_value(
        "0 0", "select concat_ws(' ', (select count(*) from signal), (select count(*) from permit where job_id = %s))",
        q(&id));
}

static void progress_is_an_event_of_the_running_job(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    assert_int_equal(claim(put_worker(), ids, 2), 2);
    const char *const details[] = { "{\"stage\": \"s\"}", "{}", "{}" };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_progress(tx, ids, (const int32_t[]){ 1, 7, 0 }, details, 3))->affected, 1);
    assert_value("1",
                 "select count(*) from job_event e join job j on j.id = e.job_id where e.job_id = %s and e.prev_status "
                 "= 'running' "
                 "and e.next_status = 'running' and e.detail_json = '{\"stage\": \"s\"}' and e.ts = j.updated_at",
                 q(&ids[0]));
}

static void a_clock_that_goes_back_keeps_the_order(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid id = put_job("a");
    sql("update job set updated_at = now() + interval '1 day'");
    assert_int_equal(claim(put_worker(), &id, 1), 1);
    settle(&(struct hx_outcome){ .id = id, .fence = 1, .status = HX_SUCCEEDED }, 1);
    assert_value("00:00:00.000001", "select max(ts) - min(ts) from job_event where ts > now() + interval '1 hour'");
}

LEDGER_MAIN(LEDGER_TEST(complete_writes_each_result), LEDGER_TEST(without_details_one_serves_for_all),
            LEDGER_TEST(a_stale_fence_changes_nothing), LEDGER_TEST(every_outcome_leaves_what_it_should),
            LEDGER_TEST(an_error_without_a_code_gets_one),
            LEDGER_TEST(what_was_asked_to_stop_is_canceled_unless_it_succeeded),
            LEDGER_TEST(a_request_that_is_being_written_is_not_missed), LEDGER_TEST(the_ends_of_a_claim),
            LEDGER_TEST(the_end_of_a_run_is_not_its_successors), LEDGER_TEST(progress_is_an_event_of_the_running_job),
            LEDGER_TEST(a_clock_that_goes_back_keeps_the_order))
