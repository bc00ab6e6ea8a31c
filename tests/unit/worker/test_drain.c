/* The end of a worker's life in order. */
#include "tests/unit/worker/fixture.h"

static void step_until_quiet(void) {
    worker_drain_step(&worker);
    assert_null(find("sign off"));
}

static void signs_off_when_everything_is_written(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    worker_drain(&worker);
    step_until_quiet();
    finish(1, 1);
    struct hx_pg_tx *a = send();
    finish(2, 2);
    struct hx_pg_tx *b = send();
    commit(a);
    step_until_quiet();
    commit(b);
    step_until_quiet(); /* the row of their claim is still there */
    commit(send());
    worker_drain_step(&worker);
    worker_drain_step(&worker); /* once */
    struct hx_pg_tx *tx = expect("sign off");
    assert_int_equal(pending_count, 1);
    assert_false(worker.leaving);
    answer(tx);
    assert_true(worker.leaving);
    assert_int_equal(worker.exit_code, HX_EXIT_OK);
}

static void waits_for_a_doubt(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    lose(send(), false);
    worker_drain(&worker);
    step_until_quiet();
    commit(expect("ask"));
    worker_drain_step(&worker);
    assert_non_null(find("sign off"));
}

static void unregistered_it_just_ends(void **state) {
    (void)state;
    worker.registered = false;
    worker_drain(&worker);
    worker_drain_step(&worker);
    assert_true(worker.leaving);
    assert_int_equal(worker.exit_code, HX_EXIT_OK);
}

static void what_runs_too_long_is_cut_short(void **state) {
    (void)state;
    settings[HX_SUPERVISOR_DRAIN_TIMEOUT] = 1;
    announce(1, 1, MOCK);
    jobs[1].payload = "{\"fail\":\"hang\"}";
    commit(send());
    worker_drain(&worker);
    assert_false(run_of(1)->ended);
    PUMP(worker.cut_short);
    struct hx_pg_tx *tx = send();
    check_told(tx, "settle(1=queued) answered(1) done(A)");
    assert_int_equal(statement_of(tx, SETTLE)->outcomes[0].add_max_attempts, 1);
    commit(tx);
    assert_int_equal(jobs[1].attempt, 1); /* it had begun */
    assert_int_equal(jobs[1].max_attempts, 4);
}

static void what_cannot_be_written_is_left_to_the_reaper(void **state) {
    (void)state;
    settings[HX_SUPERVISOR_DRAIN_TIMEOUT] = 1;
    hold(1, 1, MOCK);
    finish(1, 1);
    struct hx_evidence_entry *entry = run_of(1)->evidence;
    worker_drain(&worker);
    PUMP(worker.cut_short);
    assert_true(hx_timer_armed(worker.drain_timer));
    hx_timer_set(worker.drain_timer, 0);
    PUMP(worker.leaving);
    assert_int_equal(worker.exit_code, HX_EXIT_TRY_AGAIN);
    assert_int_equal(entry->state, HX_EVIDENCE_ENDED);
}

static void a_second_order_changes_nothing(void **state) {
    (void)state;
    worker_drain(&worker);
    struct hx_timer *timer = worker.drain_timer;
    worker_drain(&worker);
    assert_ptr_equal(worker.drain_timer, timer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signs_off_when_everything_is_written, begin, end),
        cmocka_unit_test_setup_teardown(waits_for_a_doubt, begin, end),
        cmocka_unit_test_setup_teardown(unregistered_it_just_ends, begin, end),
        cmocka_unit_test_setup_teardown(what_runs_too_long_is_cut_short, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_left_to_the_reaper, begin, end),
        cmocka_unit_test_setup_teardown(a_second_order_changes_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
