#include "ledger_test.h"

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("%s is not in %s", part, text);
}

static void a_job_as_json(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job job = new_job("a");
    job.payload = "{\"n\": 1}";
    job.key = "k\"1";
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, &job, 1));
    sql("update job set created_at = '2026-01-02T03:04:05Z'");
    assert_int_equal(claim(put_worker(), &job.id, 1), 1);
    const char *const details[] = { "{\"stage\": \"s1\", \"progress\": 40}" };
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_progress(tx, &job.id, (const int32_t[]){ 1 }, details, 1));
    settle(&(struct hx_outcome){ .id = job.id, .fence = 1, .status = HX_SUCCEEDED, .detail = "{\"result\": [1, 2]}" },
           1);

    tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_get_job(tx, &job.id));
    assert_int_equal(g->rows, 1);
    const char *text = g->value[0][0].text;
    assert_has(text, "\"status\":\"succeeded\"");
    assert_has(text, "\"payload\":{\"n\": 1}");
    assert_has(text, "\"idempotency_key\":\"k\\\"1\"");
    assert_has(text, "\"created_at\":\"2026-01-02T03:04:05.000000Z\"");
    assert_has(text, "\"last_error_code\":null");
    assert_has(text, "\"stage\":\"s1\",\"progress\":40,\"result\":[1, 2]}");
    struct hx_uuid unknown = hx_uuid_v7();
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_get_job(tx, &unknown))->rows, 0);

    /* all columns of the table, by their names */
    assert_value("", "select string_agg(attname, ' ') from pg_attribute where attrelid = 'job'::regclass and attnum > "
                     "0 and not attisdropped "
                     "and not (select heimdex_job_json(j)::jsonb ? attname::text from job j)");
    assert_value(
        "",
        "select string_agg(attname, ' ') from pg_attribute where attrelid = 'job_event'::regclass and attnum > 0 "
        "and not attisdropped and not (select heimdex_event_json(e)::jsonb ? attname::text from job_event e limit 1)");
}

static void events_of_a_job(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid id = put_running(put_worker());
    put_job("a");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_get_events(tx, &id));
    assert_int_equal(g->rows, 2);
    assert_has(g->value[0][0].text, "\"prev_status\":null,\"next_status\":\"queued\"");
    assert_has(g->value[1][0].text, "\"next_status\":\"running\"");
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_get_latest_event(tx, &id));
    assert_int_equal(g->rows, 1);
    assert_has(g->value[0][0].text, "\"next_status\":\"running\"");
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_get_job_with_latest_event(tx, &id));
    assert_has(g->value[0][0].text, "\"status\":\"running\"");
    assert_has(g->value[0][1].text, "\"next_status\":\"running\"");
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_watch(tx, &id));
    assert_string_equal(g->value[0][0].text, "running");
    assert_has(g->value[0][1].text, "\"attempt\": 1");
}

static void logging_an_event_keeps_the_order(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid id = put_running(put_worker()), unknown = hx_uuid_v7();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_log_event(tx, &id, "{\"note\": 1}"))->affected, 1);
    assert_value(
        "1", "select count(*) from job_event e join job j on j.updated_at = e.ts where e.detail_json = '{\"note\": 1}' "
             "and e.prev_status = 'running' and e.next_status = 'running'");
    settle(&(struct hx_outcome){ .id = id, .fence = 1, .status = HX_SUCCEEDED }, 1);
    char before[4096];
    hx_strcopy(before, sizeof before, value("select j from job j"));
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_log_event(tx, &id, NULL))->affected, 1);
    assert_value(before, "select j from job j"); /* a terminal row never changes */
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_log_event(tx, &unknown, NULL))->affected, 0);
}

static void queued_jobs_in_their_order(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job made[] = { new_job("a"), new_job("a"), new_job("b") };
    made[1].priority = 2;
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, made, 3));
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, &made[0].id, 1, "no_handler"));
    tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_queued_jobs(tx, NULL, 10, NULL));
    assert_int_equal(g->rows, 3);
    assert_has(g->value[0][0].text, "\"priority\":2");
    assert_has(g->value[2][0].text, "\"type\":\"b\"");
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_queued_jobs(tx, &made[0].org_id, 1, "a"))->rows, 1);
    struct hx_uuid stranger = hx_uuid_v4();
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_queued_jobs(tx, &stranger, 10, NULL))->rows, 0);
}

static void counts_add_deltas(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_new_job made[] = { new_job("a"), new_job("a"), new_job("b") };
    made[2].org_id = hx_uuid_v4();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, made, 3));
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_fold(tx, 100));
    assert_int_equal(claim(put_worker(), &made[0].id, 1), 1);
    tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_counts(tx, NULL));
    assert_int_equal(g->rows, 3);
    assert_string_equal(g->value[0][0].text, "a");
    assert_string_equal(g->value[0][1].text, "queued");
    assert_int_equal(g->value[0][2].number, 1);
    assert_string_equal(g->value[1][1].text, "running");
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_counts(tx, &made[2].org_id));
    assert_int_equal(g->rows, 1);
    assert_string_equal(g->value[0][0].text, "b");
}

static void events_are_followed_from_a_place(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    sql("update job_event set ts = ts - interval '40 days' where job_id = %s", q(&ids[0]));
    sql("update job set created_at = created_at - interval '40 days' where id = %s", q(&ids[0]));
    assert_int_equal(claim(put_worker(), ids, 2), 2);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_events_after(tx, HX_NO_TIME, NULL, NULL, 10));
    assert_int_equal(g->rows, 4);
    for (int row = 0; row < 4; row++) { /* from each place on: what is left */
        char id[64];
        snprintf(id, sizeof id, "%s", value("select id from job_event order by ts, id offset %d limit 1", row));
        int64_t ts = strtoll(
            value("select (extract(epoch from ts) * 1000000)::int8 from job_event where id = '%s'", id), NULL, 10);
        struct hx_uuid event;
        assert_int_equal(hx_uuid_parse(id, &event), 0);
        tx = hx_pg_tx_new("test");
        assert_int_equal(run(tx, hx_ledger_events_after(tx, ts, &event, NULL, 10))->rows, 3 - row);
    }
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_events_after(tx, HX_NO_TIME, NULL, NULL, 3))->rows, 3);
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_events_after(tx, HX_NO_TIME, NULL, &ids[0], 10));
    assert_int_equal(g->rows, 2);
    assert_has(g->value[1][2].text, "\"next_status\":\"running\"");
}

static void status_pages(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", INT32_MIN, true);
    struct hx_uuid a = put_job("a"), z = put_job("z");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, &a, 1, "no_handler"));
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, &z, 1, "no_handler"));
    tx = hx_pg_tx_new("test");
    int summary = hx_ledger_waiting_summary(tx);
    const struct got *g = run(tx, summary);
    assert_int_equal(g->rows, 2);
    assert_string_equal(g->value[0][0].text, "a");
    assert_string_equal(g->value[0][2].text, "paused");
    assert_int_equal(g->value[0][3].number, 1);

    sql("update job_type set paused = false");
    assert_int_equal(claim(worker, &a, 1), 1);
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_workers(tx));
    assert_int_equal(g->rows, 1);
    assert_has(g->value[0][0].text, "\"instance\":\"main\"");
    assert_has(g->value[0][0].text, "\"claims\":1,\"jobs\":1}");

    sql("update worker set dead = true");
    tx = hx_pg_tx_new("test");
    g = run(tx, hx_ledger_stuck(tx));
    assert_int_equal(g->rows, 1);
    const char *text = g->value[0][0].text;
    assert_null(strchr(text, '\n'));
    assert_has(text, "\"outbox\":{\"rows\":2,");
    assert_has(text, "\"type\":\"z\",\"reason\":\"no_handler\",\"count\":1,");
    assert_has(text, "\"handled\":false");
    assert_has(text, "\"dead_workers_with_claims\":1");
    assert_has(text, "\"events_in_default_partition\":false");
    sql("update worker set dead = false");
}

LEDGER_MAIN(LEDGER_TEST(a_job_as_json), LEDGER_TEST(events_of_a_job), LEDGER_TEST(logging_an_event_keeps_the_order),
            LEDGER_TEST(queued_jobs_in_their_order), LEDGER_TEST(counts_add_deltas),
            LEDGER_TEST(events_are_followed_from_a_place), LEDGER_TEST(status_pages))
