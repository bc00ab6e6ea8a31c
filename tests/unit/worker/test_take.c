/* Due rows straight from PostgreSQL. */
#include "tests/unit/worker/fixture.h"

static struct hx_pg_tx *taking(void) {
    PUMP(find("take"));
    return expect("take");
}

static struct hx_pg_tx *start(void) {
    worker_take_start(&worker);
    return taking();
}

static void put_row(struct hx_pg_tx *tx, int statement, unsigned n, const char *type, int32_t priority) {
    struct hx_uuid id = id_of(n);
    add_job(n, type);
    jobs[n].priority = priority;
    add_row(tx->v[statement], &id);
}

static void put_rows(struct hx_pg_tx *tx, int statement, unsigned first, unsigned final, const char *type) {
    for (unsigned n = first; n <= final; n++)
        put_row(tx, statement, n, type, 0);
}

static void check_asked(const struct statement *s, const char *type, int n) {
    assert_string_equal(s->type, type);
    assert_int_equal(s->number, n);
}

static void due_rows_become_candidates(void **state) {
    (void)state;
    struct hx_pg_tx *tx = start();
    check_told(tx, "take take");
    check_asked(tx->v[0], MOCK, 8); /* as much as a batch takes */
    check_asked(tx->v[1], FEW, 4);  /* as many as slots are free */
    assert_ptr_equal(tx->pg, worker.side);
    put_row(tx, 0, 9, MOCK, 5);
    put_row(tx, 0, 1, MOCK, 0);
    put_row(tx, 1, 2, SHELL, 0);
    put_row(tx, 1, 3, "of another host", 0);
    answer(tx);
    assert_int_equal(backlog_builtin(worker.backlog), 2);
    assert_int_equal(backlog_slotted(worker.backlog), 1);
    struct batch batch = { .v = hx_allocn(4, sizeof *batch.v) };
    backlog_pick(worker.backlog, 1, 0, &batch);
    assert_true(number_of(&batch.v[0].id) == 9 && batch.v[0].high);
    free(batch.v);
}

static void an_idle_worker_looks_again(void **state) {
    (void)state;
    answer(start());
    answer(taking());
    assert_true(hx_timer_armed(worker.take_timer));
}

/* What it takes is reserved: no more than it can start. */
static void no_more_than_free_slots(void **state) {
    (void)state;
    hold(1, 2, SHELL);
    announce(11, 11, SHELL);
    check_asked(start()->v[1], FEW, 1);
}

/* Long runs in all slots: whatever waits is for others. */
static void full_slots_take_nothing(void **state) {
    (void)state;
    hold(1, 4, SHELL);
    check_told(start(), "take");
}

static void full_slots_that_turn_over_take_a_share(void **state) {
    (void)state;
    hold(1, 5, SHELL);
    worker_take_start(&worker);
    finish(5, 5);
    struct hx_pg_tx *tx = taking();
    check_asked(tx->v[1], FEW, 1);
    put_row(tx, 1, 21, SHELL, 0);
    announce(11, 11, SHELL);
    answer(tx);
    struct batch batch = { .v = hx_allocn(4, sizeof *batch.v) };
    backlog_pick(worker.backlog, 0, 1, &batch);
    assert_int_equal(number_of(&batch.v[0].id), 21); /* it has waited longer */
    free(batch.v);
}

/* With Kafka away, short runs must not wait for a timer. */
static void a_slot_that_ends_takes_the_next_at_once(void **state) {
    (void)state;
    struct hx_pg_tx *tx = start();
    put_rows(tx, 1, 1, 4, SHELL);
    answer(tx);
    answer(taking()); /* builtins go on looking */
    struct batch batch = { .v = hx_allocn(4, sizeof *batch.v) };
    backlog_pick(worker.backlog, 0, 4, &batch);
    free(batch.v);
    hold(1, 4, SHELL);
    finish(1, 3);
    tx = taking();
    check_asked(tx->v[1], FEW, 3);
}

/* Candidates that records brought; nobody here looks into the record. */
static void heard(unsigned first, unsigned final, const char *type) {
    static char record;
    for (unsigned n = first; n <= final; n++)
        backlog_add(worker.backlog,
                    &(struct candidate){ .id = id_of(n), .handler = handler_of(type), .record = (void *)&record });
}

static void a_busy_one_takes_a_share(void **state) {
    (void)state;
    heard(1, 1, MOCK);
    check_asked(start()->v[0], MOCK, 2);
}

/* Records alone would keep it busy for good, and what waits would wait for good. */
static void one_that_kafka_drowns_takes_a_share(void **state) {
    (void)state;
    heard(1, 500, MOCK);
    hold(501, 505, SHELL);
    heard(506, 600, SHELL);
    worker_take_start(&worker);
    finish(505, 505);
    struct hx_pg_tx *tx = taking();
    check_asked(tx->v[0], MOCK, 2);
    check_asked(tx->v[1], FEW, 1);
}

/* A quarter of one would be none, and what waits would wait for good. */
static void the_share_of_one_slot_is_one(void **state) {
    (void)state;
    settings[HX_WORKER_SLOTS] = 1;
    hold(1, 2, SHELL);
    worker_take_start(&worker);
    finish(2, 2);
    check_asked(taking()->v[1], FEW, 1);
}

static void its_share_is_once_a_second(void **state) {
    (void)state;
    stop_clock(CLOCK_BOOTTIME);
    heard(1, 1, MOCK);
    answer(start());
    struct hx_pg_tx *tx = taking();
    check_told(tx, "take");
    check_asked(tx->v[0], FEW, 4);
    answer(tx);
    slept_ms += 1000;
    tx = taking();
    check_told(tx, "take take");
    check_asked(tx->v[0], MOCK, 2);
}

static void one_that_has_not_started_what_it_took_takes_nothing(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    hold(11, 14, SHELL);
    worker_take_start(&worker);
    hx_loop_once(worker.loop, 1000);
    assert_null(find("take"));
    assert_true(hx_timer_armed(worker.take_timer));
}

/* Nothing else wakes it: a worker that stopped looking here would never look again. */
static void a_doubt_only_delays_it(void **state) {
    (void)state;
    worker.doubts = 1;
    worker_take_start(&worker);
    hx_loop_once(worker.loop, 1000);
    assert_null(find("take"));
    assert_true(hx_timer_armed(worker.take_timer));
    worker.doubts = 0;
    taking();
}

static void a_failure_is_tried_again(void **state) {
    (void)state;
    refuse(start(), HX_PG_UNAVAILABLE, "");
    assert_false(worker.take_busy);
    assert_true(hx_timer_armed(worker.take_timer));
}

static void soon_is_at_once(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    answer(start());
    worker_take_soon(&worker);
    taking();
    worker_take_soon(&worker); /* one is on its way */
    assert_false(hx_timer_armed(worker.take_timer));
}

/* Whose time to look comes while it drains. */
static void one_that_began_to_drain_takes_nothing(void **state) {
    (void)state;
    worker_take_start(&worker);
    worker_drain(&worker);
    hx_timer_set(worker.take_timer, 0);
    hx_loop_once(worker.loop, 1000);
    assert_null(find("take"));
}

static void a_draining_worker_takes_nothing(void **state) {
    (void)state;
    struct hx_pg_tx *tx = start();
    put_row(tx, 0, 1, MOCK, 0);
    worker_drain(&worker);
    answer(tx);
    assert_int_equal(backlog_builtin(worker.backlog), 0);
    assert_false(hx_timer_armed(worker.take_timer));
    worker_take_soon(&worker);
    assert_false(hx_timer_armed(worker.take_timer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(due_rows_become_candidates, begin, end),
        cmocka_unit_test_setup_teardown(an_idle_worker_looks_again, begin, end),
        cmocka_unit_test_setup_teardown(no_more_than_free_slots, begin, end),
        cmocka_unit_test_setup_teardown(full_slots_take_nothing, begin, end),
        cmocka_unit_test_setup_teardown(full_slots_that_turn_over_take_a_share, begin, end),
        cmocka_unit_test_setup_teardown(a_slot_that_ends_takes_the_next_at_once, begin, end),
        cmocka_unit_test_setup_teardown(a_busy_one_takes_a_share, begin, end),
        cmocka_unit_test_setup_teardown(one_that_kafka_drowns_takes_a_share, begin, end),
        cmocka_unit_test_setup_teardown(the_share_of_one_slot_is_one, begin, end),
        cmocka_unit_test_setup_teardown(its_share_is_once_a_second, begin, end),
        cmocka_unit_test_setup_teardown(one_that_has_not_started_what_it_took_takes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_doubt_only_delays_it, begin, end),
        cmocka_unit_test_setup_teardown(a_failure_is_tried_again, begin, end),
        cmocka_unit_test_setup_teardown(soon_is_at_once, begin, end),
        cmocka_unit_test_setup_teardown(one_that_began_to_drain_takes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_draining_worker_takes_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
