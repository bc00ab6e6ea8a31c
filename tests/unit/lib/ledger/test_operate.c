#include "ledger_test.h"

/* One job in each status, in that order. */
static void one_of_each(int32_t worker, struct hx_uuid ids[HX_STATUSES]) {
    put_jobs(ids, HX_STATUSES, "a");
    assert_int_equal(claim(worker, ids + 1, HX_STATUSES - 1), HX_STATUSES - 1);
    struct hx_outcome outcomes[HX_STATUSES - 2];
    for (int status = HX_SUCCEEDED; status < HX_STATUSES; status++)
        outcomes[status - HX_SUCCEEDED] = (struct hx_outcome){ .id = ids[status],
                                                               .fence = 1,
                                                               .status = (enum hx_status)status,
                                                               .code = "e",
                                                               .message = "m",
                                                               .reason = "retry",
                                                               .delay_ms = 60000 };
    assert_int_equal(settle(outcomes, HX_STATUSES - 2), HX_STATUSES - 2);
    sql("delete from outbox");
}

static const char *was(const struct got *g, const struct hx_uuid *id) {
    for (int row = 0; row < g->rows; row++)
        if (memcmp(&g->value[row][0].id, id, sizeof *id) == 0)
            return g->value[row][1].text;
    return "unknown";
}

static void cancel_in_each_status(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[HX_STATUSES + 1];
    int32_t worker = put_worker();
    one_of_each(worker, ids);
    ids[HX_STATUSES] = hx_uuid_v7();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_cancel(tx, ids, HX_STATUSES + 1, "not needed"));
    assert_int_equal(g->rows, HX_STATUSES);
    for (int i = 0; i < HX_STATUSES; i++)
        assert_string_equal(was(g, &ids[i]), hx_status_name((enum hx_status)i));
    assert_string_equal(was(g, &ids[HX_STATUSES]), "unknown");
    assert_value("canceled running succeeded canceled canceled dead_letter",
                 "select string_agg(status::text, ' ' order by id) from job");
    assert_value("2",
                 "select count(*) from job where last_error_code = 'canceled' and last_error_message = 'not needed'");
    assert_value("1", "select count(*) from signal where worker = %d and job_id = %s and reason = 'not needed'", worker,
                 q(&ids[HX_RUNNING]));
    assert_value("0", "select count(*) from waiting");
    assert_value("2", "select count(*) from job_event where next_status = 'canceled' and detail_json = '{\"reason\": "
                      "\"not needed\"}'");

    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_cancel(tx, ids, HX_STATUSES, "twice"));
    assert_value("1", "select count(*) from signal");
}

static void retry_in_each_status(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[HX_STATUSES];
    int32_t worker = put_worker();
    one_of_each(worker, ids);
    sql("update job set max_attempts = 1, crash_count = 2 where id = %s", q(&ids[HX_DEAD_LETTER]));
    sql("insert into signal values (%d, %s, 'stop')", worker, q(&ids[HX_RUNNING]));
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_retry(tx, ids, HX_STATUSES, "mended"));
    assert_int_equal(g->rows, HX_STATUSES);
    for (int row = 0; row < g->rows; row++)
        assert_int_equal(g->value[row][2].flag, memcmp(&g->value[row][0].id, &ids[HX_RUNNING], 16) == 0);
    assert_string_equal(was(g, &ids[HX_CANCELED]), "canceled");
    assert_value("queued running succeeded queued queued queued",
                 "select string_agg(status::text, ' ' order by id) from job");
    assert_value("3",
                 "select count(*) from waiting where reason = 'redriven' and announced and due <= clock_timestamp()");
    assert_value("1", "select count(*) from outbox where kind = 'announce' and cardinality(ids) = 3");
    assert_value("2 0", "select concat_ws(' ', max_attempts, crash_count) from job where id = %s",
                 q(&ids[HX_DEAD_LETTER]));
    assert_value("4", "select max_attempts from job where id = %s", q(&ids[HX_CANCELED]));
    assert_value("1", "select count(*) from job_event where prev_status = 'dead_letter' and next_status = 'queued' "
                      "and detail_json = '{\"reason\": \"mended\", \"max_attempts\": 2}'");
    assert_int_equal(claim(worker, &ids[HX_DEAD_LETTER], 1), 1);
}

static void redrive(const struct hx_redrive *filter, const char *expected) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    const struct got *g = run(tx, hx_ledger_redrive_pick(tx, filter));
    _cleanup_buf_ struct hx_buf found = { 0 };
    hx_buf_puts(&found, "");
    for (int row = 0; row < g->rows; row++)
        hx_buf_printf(&found, "%s/%s ", g->value[row][1].text, g->value[row][2].text);
    assert_string_equal(found.data, expected);
}

static void redrive_picks_by_filter(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid ids[5];
    put_jobs(ids, 3, "a");
    put_jobs(ids + 3, 2, "b");
    assert_int_equal(claim(put_worker(), ids, 5), 5);
    static const char *const codes[] = { "x", "y", "x", "y", "x" };
    for (int i = 0; i < 5; i++)
        settle(
            &(struct hx_outcome){
                .id = ids[i], .fence = 1, .status = i == 2 ? HX_CANCELED : HX_DEAD_LETTER, .code = codes[i] },
            1);
    sql("update job set finished_at = '2020-01-01Z' where id = %s", q(&ids[4]));

    struct hx_redrive all = { .since = HX_NO_TIME, .until = HX_NO_TIME, .limit = 10 };
    redrive(&all, "a/x a/y b/y b/x ");
    struct hx_redrive f = all;
    f.limit = 2;
    redrive(&f, "a/x a/y ");
    f = all;
    f.error_code = "y";
    redrive(&f, "a/y b/y ");
    f.type = "b";
    redrive(&f, "b/y ");
    f = all;
    f.since = INT64_C(1600000000000000);
    redrive(&f, "a/x a/y b/y ");
    f = all;
    f.until = INT64_C(1600000000000000);
    redrive(&f, "b/x ");
    f = all;
    f.error_code = "none such";
    redrive(&f, "");
}

LEDGER_MAIN(LEDGER_TEST(cancel_in_each_status), LEDGER_TEST(retry_in_each_status), LEDGER_TEST(redrive_picks_by_filter))
