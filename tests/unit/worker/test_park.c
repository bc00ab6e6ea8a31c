/* A worker whose slots are taken gives back what it was told of. */
#include "tests/unit/worker/records.h"

enum { LONG_MS = 10000 };

/* All candidates have been here for a while. */
static void let_them_wait(void) {
    struct candidate *all;
    for (int builtin = 0; builtin < 2; builtin++) {
        size_t n = backlog_late(worker.backlog, builtin, INT64_MAX, &all);
        for (size_t i = 0; i < n; i++)
            all[i].since_boot_ms = hx_boot_ms() - LONG_MS;
        backlog_return(worker.backlog, all, n);
        free(all);
    }
}

static void what_finds_no_slot_is_parked(void **state) {
    (void)state;
    publish(11, 11, SHELL);
    publish(12, 12, SHELL);
    hold(1, 4, SHELL);
    worker_poll(&worker);
    let_them_wait();
    worker_park(&worker);
    struct hx_pg_tx *tx = expect("put aside");
    check_told(tx, "park(11 12) missing(11 12)");
    assert_string_equal(tx->v[0]->type, "busy");
    assert_int_equal(backlog_slotted(worker.backlog), 0);
    assert_int_equal(stored_count, 0);
    commit(tx);
    assert_int_equal(stored[stored_count - 1], 102);
}

static void who_came_just_now_may_stay(void **state) {
    (void)state;
    stop_clock(CLOCK_BOOTTIME);
    announce(11, 12, SHELL);
    hold(1, 4, SHELL);
    worker_park(&worker);
    assert_null(find("put aside"));
    assert_int_equal(backlog_slotted(worker.backlog), 2);
}

/* They wait for PostgreSQL then, not for a slot. */
static void a_free_slot_keeps_them(void **state) {
    (void)state;
    announce(11, 12, SHELL);
    hold(1, 3, SHELL);
    let_them_wait();
    worker_park(&worker);
    assert_null(find("put aside"));
}

static void builtins_are_parked_by_builtins(void **state) {
    (void)state;
    announce(11, 12, SHELL);
    announce(13, 13, MOCK);
    hold(1, 8, MOCK);
    let_them_wait();
    worker_park(&worker);
    check_told(expect("put aside"), "park(13) missing(13)");
}

/* Builtins behind thousands of programs in one partition must not wait for each of them. */
static void clogged_slots_read_in_batches(void **state) {
    (void)state;
    settings[HX_WORKER_BATCH] = 20;
    hold(1, 4, SHELL);
    for (unsigned n = 11; n <= 50; n++)
        publish(n, n, SHELL);
    worker_poll(&worker);
    assert_int_equal(backlog_slotted(worker.backlog), 8);
    assert_true(consumer_paused);
    let_them_wait();
    worker_park(&worker);
    struct hx_pg_tx *tx = expect("put aside");
    worker_poll(&worker); /* goes on, */
    worker_poll(&worker); /* and reads */
    assert_int_equal(backlog_slotted(worker.backlog), 20);
    let_them_wait();
    worker_park(&worker); /* one at a time */
    assert_int_equal(backlog_slotted(worker.backlog), 20);
    commit(tx);
    worker_park(&worker);
    commit(expect("put aside"));
    assert_int_equal(backlog_slotted(worker.backlog), 0);
    finish(1, 1); /* as little as before */
    worker_poll(&worker);
    worker_poll(&worker);
    assert_int_equal(backlog_slotted(worker.backlog), 8);
}

static void a_failed_parking_is_repeated(void **state) {
    (void)state;
    publish(11, 11, SHELL);
    hold(1, 4, SHELL);
    worker_poll(&worker);
    let_them_wait();
    worker_park(&worker);
    refuse(expect("put aside"), HX_PG_UNAVAILABLE, "");
    assert_int_equal(stored_count, 0);
    PUMP(find("put aside"));
    commit(expect("put aside"));
    assert_int_equal(stored_count, 1);
}

static void a_draining_worker_parks_nothing(void **state) {
    (void)state;
    announce(11, 12, SHELL);
    hold(1, 4, SHELL);
    let_them_wait();
    worker.draining = true;
    worker_park(&worker);
    assert_null(find("put aside"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_finds_no_slot_is_parked, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(who_came_just_now_may_stay, begin, end),
        cmocka_unit_test_setup_teardown(a_free_slot_keeps_them, begin, end),
        cmocka_unit_test_setup_teardown(builtins_are_parked_by_builtins, begin, end),
        cmocka_unit_test_setup_teardown(clogged_slots_read_in_batches, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_failed_parking_is_repeated, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_draining_worker_parks_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
