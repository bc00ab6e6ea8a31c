/* Due jobs straight from PostgreSQL. */
#include "ledger_test.h"

static const char *const TYPES[] = { "a", "b" };

static const struct got *take(int32_t limit) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    return run(tx, hx_ledger_take(tx, TYPES, 2, limit));
}

static void take_reserves_what_is_due(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_uuid ids[3];
    put_jobs(ids, 3, "a");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, ids, 3, "no_handler"));
    sql("update waiting set due = now() + interval '1 h' where job_id = %s", q(&ids[2]));

    char from[64];
    server_time(from);
    assert_int_equal(take(1)->rows, 1);
    const struct got *g = take(10);
    assert_int_equal(g->rows, 1); /* the other one; the first is reserved */
    assert_string_equal(g->value[0][1].text, "a");
    assert_int_equal(take(10)->rows, 0);
    assert_value("2", "select count(*) from waiting where " SET_TO("due", "10 s"), from);
    int32_t worker = put_worker();
    assert_int_equal(claim(worker, ids, 2), 2);
}

/* Ten due jobs, the last `high` of them with a priority, all parked. */
static void put_bands(struct hx_uuid ids[10], int high) {
    struct hx_new_job made[10];
    for (int i = 0; i < 10; i++) {
        made[i] = new_job("a");
        made[i].priority = i >= 10 - high ? i : 0;
        ids[i] = made[i].id;
    }
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, made, 10));
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, ids, 10, "busy"));
}

static int of_priority(const struct got *g) {
    int n = 0;
    for (int row = 0; row < g->rows; row++)
        n += g->value[row][2].number > 0;
    return n;
}

static void take_prefers_priorities_but_for_a_tenth(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_uuid ids[10];
    put_bands(ids, 8);
    const struct got *g = take(1);
    assert_int_equal(g->rows, 1);
    assert_int_equal(of_priority(g), 1);
    g = take(5);
    assert_int_equal(g->rows, 5);
    assert_int_equal(of_priority(g), 4);
    g = take(5);
    assert_int_equal(g->rows, 4);
    assert_int_equal(of_priority(g), 3);
}

static void take_fills_up_from_below(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_uuid ids[10];
    put_bands(ids, 2);
    const struct got *g = take(6);
    assert_int_equal(g->rows, 6);
    assert_int_equal(of_priority(g), 2);
}

/* Reserved and not started: free again at once, for whoever has a slot. But not before its time. */
static void parking_as_busy_ends_a_reservation(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_uuid ids[2];
    put_jobs(ids, 2, "a");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, ids, 2, "busy"));
    assert_int_equal(take(10)->rows, 2);
    assert_int_equal(take(10)->rows, 0);
    sql("update waiting set due = now() + interval '1 h', announced = false where job_id = %s", q(&ids[1]));
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, ids, 2, "busy"));
    const struct got *g = take(10);
    assert_int_equal(g->rows, 1);
    assert_memory_equal(&g->value[0][0].id, &ids[0], 16);
}

static void candidate_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    assert_null(error);
    struct hx_candidate c = hx_ledger_read_candidate(tx, 0, 0);
    assert_string_equal(c.type, "a");
    assert_int_equal(c.priority, 0);
    *(struct hx_uuid *)user = c.id;
}

static void take_wakes_what_had_failed(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_uuid id = put_running(put_worker());
    settle(
        &(struct hx_outcome){
            .id = id, .fence = 1, .status = HX_FAILED, .code = "e", .delay_ms = 0, .reason = "retry" },
        1);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_take(tx, TYPES, 2, 10);
    struct hx_uuid taken = { 0 };
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, candidate_cb, &taken, NULL), HX_PG_OK);
    assert_memory_equal(&taken, &id, 16);
    assert_value("queued", "select status from job");
    assert_value("1", "select count(*) from job_event where prev_status = 'failed' and next_status = 'queued'");
    assert_int_equal(claim(put_worker(), &id, 1), 1);
    assert_value("2 2", "select concat_ws(' ', attempt, fence) from job");
}

static void take_leaves_paused_and_limited_types(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    int32_t worker = put_worker();
    put_type("a", 1, false);
    put_type("b", INT32_MIN, true);
    struct hx_uuid a[2], b = put_job("b");
    put_jobs(a, 2, "a");
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_park(tx, &b, 1, "no_handler"));
    assert_value("paused", "select reason from waiting");
    struct hx_uuid token = hx_uuid_v4();
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_claim_limited(tx, &token, worker, a, 2, 4, "a", LABEL))->rows, 1);
    assert_int_equal(take(10)->rows, 0);
}

LEDGER_MAIN(LEDGER_TEST(take_reserves_what_is_due), LEDGER_TEST(take_prefers_priorities_but_for_a_tenth),
            LEDGER_TEST(take_fills_up_from_below), LEDGER_TEST(parking_as_busy_ends_a_reservation),
            LEDGER_TEST(take_wakes_what_had_failed), LEDGER_TEST(take_leaves_paused_and_limited_types))
