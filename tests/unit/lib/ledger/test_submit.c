#include "ledger_test.h"

/* Rows of submit, decoded. */
struct submitted {
    int statement, rows;
    struct hx_submitted row[8];
    int64_t outbox;
};

static void submitted_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct submitted *s = user;
    assert_null(error);
    s->rows = hx_pg_rows(tx, s->statement);
    for (int i = 0; i < s->rows; i++)
        s->row[i] = hx_ledger_read_submitted(tx, s->statement, i, &s->outbox);
}

static struct submitted submit(const struct hx_new_job *jobs, size_t n) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    struct submitted s = { .statement = hx_ledger_submit(tx, jobs, n), .outbox = -1 };
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, submitted_cb, &s, NULL), HX_PG_OK);
    return s;
}

static void a_batch_becomes_rows_events_and_one_announcement(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job jobs[] = { new_job("a"), new_job("b") };
    char from[64];
    server_time(from);
    struct submitted s = submit(jobs, 2);
    assert_int_equal(s.rows, 2);
    assert_false(s.row[0].delayed);
    assert_true(s.outbox > 0);
    assert_value("2",
                 "select count(*) from job where status = 'queued' and attempt = 0 and fence = 0 and payload = '{}'");
    assert_value("2", "select count(*) from job j join job_event e on e.job_id = j.id where e.prev_status is null "
                      "and e.next_status = 'queued' and e.ts = j.created_at and j.created_at = j.updated_at");
    assert_value("1",
                 "select count(*) from outbox where id = %lld and kind = 'announce' and ids <@ array[%s, %s] and ids "
                 "@> array[%s, %s] "
                 "and " SET_TO("due", "2 s"),
                 (long long)s.outbox, q(&jobs[0].id), q(&jobs[1].id), q(&jobs[0].id), q(&jobs[1].id), from);
    assert_value("0", "select count(*) from waiting");
}

static void every_column_arrives(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job jobs[] = { new_job("a"), new_job("a") };
    jobs[1].org_id = hx_uuid_v4();
    jobs[1].payload = "{\"n\": [1, \"\xc3\xa4\"]}";
    jobs[1].payload_len = strlen(jobs[1].payload);
    jobs[1].priority = -7;
    jobs[1].key = "k";
    jobs[1].requested_by = "me";
    jobs[1].max_attempts = 9;
    jobs[1].timeout_ms = 5000000000;
    jobs[1].run_at = INT64_C(4102444800000001); /* 2100-01-01 and a microsecond */
    jobs[1].traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_int_equal(submit(jobs, 2).rows, 2);
    assert_value(
        "t",
        "select case when org_id = %s and payload = '{\"n\": [1, \"ä\"]}' and priority = -7 and idempotency_key = 'k' "
        "and requested_by = 'me' and max_attempts = 9 and timeout_ms = 5000000000 "
        "and run_at = '2100-01-01T00:00:00.000001Z' and traceparent like '00-0af7%%' then 't' end from job where id = "
        "%s",
        q(&jobs[1].org_id), q(&jobs[1].id));
    assert_value(
        "t",
        "select case when coalesce(idempotency_key, requested_by, max_attempts::text, timeout_ms::text, run_at::text, "
        "traceparent) is null then 't' end from job where id = %s",
        q(&jobs[0].id));
}

static void delayed_jobs_wait_unannounced(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_new_job jobs[] = { new_job("a"), new_job("a") };
    jobs[0].run_at = hx_wall_us() + 3600000000;
    jobs[1].run_at = hx_wall_us() - 1000000; /* in the past: at once */
    struct submitted s = submit(jobs, 2);
    assert_int_equal(s.rows, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(s.row[i].delayed, memcmp(&s.row[i].id, &jobs[0].id, sizeof jobs[0].id) == 0);
    assert_value(
        "1",
        "select count(*) from waiting where job_id = %s and reason = 'delayed' and not announced and queue = 'q' "
        "and due > now() + interval '59 min'",
        q(&jobs[0].id));
    assert_value("1", "select count(*) from outbox where ids = array[%s]", q(&jobs[1].id));

    jobs[0] = new_job("a");
    jobs[0].run_at = hx_wall_us() + 3600000000;
    assert_int_equal(submit(jobs, 1).outbox, 0);
}

static void a_repeat_changes_nothing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job jobs[] = { new_job("a"), new_job("a"), new_job("a") };
    assert_int_equal(submit(jobs, 2).rows, 2);
    jobs[0].payload = "{\"other\":1}";
    struct submitted again = submit(jobs, 3);
    assert_int_equal(again.rows, 1);
    assert_memory_equal(&again.row[0].id, &jobs[2].id, sizeof jobs[2].id);
    assert_value("{}", "select payload from job where id = %s", q(&jobs[0].id));
    assert_value("3", "select count(*) from job_event");
    assert_value("3", "select sum(count) from delta");
}

struct keys {
    int statement, rows;
    size_t index[4];
    struct hx_uuid id[4];
};

static void keys_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct keys *k = user;
    assert_null(error);
    k->rows = hx_pg_rows(tx, k->statement);
    for (int i = 0; i < k->rows && i < 4; i++)
        k->id[i] = hx_ledger_read_key(tx, k->statement, i, &k->index[i]);
}

static void one_key_is_one_job_of_an_organisation(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job first[] = { new_job("a"), new_job("a") };
    first[0].key = first[1].key = "k";
    first[1].org_id = hx_uuid_v4();
    assert_int_equal(submit(first, 2).rows, 2);

    struct hx_new_job second[] = { new_job("a"), new_job("a"), new_job("a") };
    second[0].key = "new";
    second[1].key = second[2].key = "k";
    second[2].org_id = first[1].org_id;
    struct submitted s = submit(second, 3);
    assert_int_equal(s.rows, 1);
    assert_memory_equal(&s.row[0].id, &second[0].id, sizeof s.row[0].id);

    const struct hx_uuid orgs[] = { second[1].org_id, second[2].org_id };
    const char *const names[] = { "k", "k" };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    struct keys k = { .statement = hx_ledger_find_keys(tx, orgs, names, 2) };
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, keys_cb, &k, NULL), HX_PG_OK);
    assert_int_equal(k.rows, 2);
    for (int i = 0; i < 2; i++) {
        assert_in_range(k.index[i], 0, 1);
        assert_memory_equal(&k.id[i], &first[k.index[i]].id, sizeof k.id[i]);
    }
}

static void ids_of_a_wrong_clock_wait(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int64_t now_ms = hx_wall_us() / 1000;
    struct hx_new_job jobs[] = { new_job("a"), new_job("a"), new_job("a") };
    jobs[0].id = hx_uuid_v7_at(now_ms);
    jobs[1].id = hx_uuid_v7_at(now_ms + 120000);
    jobs[2].id = hx_uuid_v4();
    jobs[2].id.b[0] = 0; /* 1970 or so */
    assert_int_equal(submit(jobs, 3).rows, 3);
    assert_value("2",
                 "select count(*) from waiting where reason = 'clock' and announced and due <= clock_timestamp() "
                 "and job_id in (%s, %s)",
                 q(&jobs[1].id), q(&jobs[2].id));
    assert_value("3", "select cardinality(ids) from outbox");
}

static void an_outbox_row_goes_when_it_is_delivered(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job jobs[] = { new_job("a"), new_job("a") };
    int64_t ids[] = { submit(jobs, 1).outbox, 4711 };
    submit(jobs + 1, 1);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_outbox_done(tx, ids, 2))->affected, 1);
    assert_value("1", "select count(*) from outbox");
}

static void jobs_that_are_new_take_the_short_way_once(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job jobs[] = { new_job("a"), new_job("a") };
    for (int again = 0; again < 2; again++) {
        struct hx_pg_tx *tx = hx_pg_tx_new("test");
        hx_ledger_submit_new(tx, jobs, 2);
        assert_int_equal(hx_pg_run(ledger.pg, tx, 0, NULL, NULL, NULL), again ? HX_PG_DATA : HX_PG_OK);
        assert_value("2", "select count(*) from job");
        assert_value("2", "select count(*) from job_event");
        assert_value("1", "select count(*) from outbox");
    }
}

static void an_empty_batch_is_nothing(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    assert_int_equal(submit(NULL, 0).rows, 0);
    assert_value("0", "select count(*) from outbox");
}

static void a_bad_value_fails_the_batch_alone(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job jobs[] = { new_job("a"), new_job("a") };
    jobs[1].payload = "{";
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_submit(tx, jobs, 2);
    struct hx_pg_error error;
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, NULL, NULL, &error), HX_PG_DATA);
    assert_value("0", "select count(*) from job");
}

LEDGER_MAIN(LEDGER_TEST(a_batch_becomes_rows_events_and_one_announcement), LEDGER_TEST(every_column_arrives),
            LEDGER_TEST(delayed_jobs_wait_unannounced), LEDGER_TEST(a_repeat_changes_nothing),
            LEDGER_TEST(jobs_that_are_new_take_the_short_way_once), LEDGER_TEST(one_key_is_one_job_of_an_organisation),
            LEDGER_TEST(ids_of_a_wrong_clock_wait), LEDGER_TEST(an_outbox_row_goes_when_it_is_delivered),
            LEDGER_TEST(an_empty_batch_is_nothing), LEDGER_TEST(a_bad_value_fails_the_batch_alone))
