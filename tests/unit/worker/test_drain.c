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

static void without_a_connection_it_leaves_its_row(void **state) {
    (void)state;
    side_away = true;
    worker_drain(&worker);
    worker_drain_step(&worker);
    assert_null(find("sign off"));
    assert_true(worker.leaving);
    assert_int_equal(worker.exit_code, HX_EXIT_OK);
}

static void told_to_hurry_it_waits_for_nobody(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    jobs[1].payload = "{\"fail\":\"hang\"}";
    commit(send());
    worker_drain(&worker);
    assert_false(run_of(1)->ended);
    worker_hurry(&worker);
    assert_true(worker.draining && worker.cut_short);
    worker_hurry(&worker); /* once */
    assert_false(worker.leaving);
    struct hx_pg_tx *tx = send();
    check_told(tx, "settle(1=queued) answered(1) done(A)");
    commit(tx);
    worker_drain_step(&worker);
    assert_non_null(find("sign off"));
}

#define DEAF "trap '' TERM; echo '{\"stage\":\"ready\"}'; while :; do sleep 60 & wait $!; done"

static struct run *start_deaf(void) {
    settings[HX_JOBS_KILL_GRACE] = 3600 * 1000;
    shell_argv[2] = DEAF;
    claim_all(1, 1, SHELL);
    PUMP(run_of(1)->message_count);
    return run_of(1);
}

static void check_cut_short(const struct run *run) {
    assert_int_equal(run->outcome.status, HX_QUEUED);
    assert_int_equal(run->outcome.add_max_attempts, 1);
    assert_non_null(strstr(run->outcome.detail, "\"drain\""));
}

static void in_a_hurry_a_handler_has_no_grace(void **state) {
    (void)state;
    const struct run *run = start_deaf();
    worker_hurry(&worker);
    PUMP(run->ended);
    check_cut_short(run);
}

static void a_grace_that_has_begun_is_over_then(void **state) {
    (void)state;
    const struct run *run = start_deaf();
    worker_drain_within(&worker, 0);
    PUMP(worker.cut_short);
    assert_false(run->ended);
    worker_hurry(&worker);
    PUMP(run->ended);
    check_cut_short(run);
}

/* Its end means what it meant before. */
static void so_is_that_of_one_that_ran_out_of_time(void **state) {
    (void)state;
    struct run *run = start_deaf();
    run_stop(run, STOP_TIMEOUT, "timeout");
    worker_hurry(&worker);
    PUMP(run->ended);
    assert_int_equal(run->outcome.status, HX_FAILED);
    assert_string_equal(run->outcome.code, "timeout");
}

/* Within drain_timeout PostgreSQL may come back; later on there is nobody to tell. */
static void a_silent_database_is_not_waited_for_in_the_end(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    finish(1, 1);
    stop_clock(CLOCK_MONOTONIC); /* what has just answered is silent for no second yet */
    worker.heard_ms = hx_mono_ms() - 60 * 1000;
    worker_drain(&worker);
    worker_drain_step(&worker);
    assert_false(worker.leaving);
    worker.cut_short = true;
    worker_drain_step(&worker);
    assert_false(worker.leaving); /* one still runs */
    finish(2, 2);
    struct hx_pg_tx *tx = send();
    worker.heard_ms = hx_mono_ms();
    worker_drain_step(&worker);
    assert_false(worker.leaving); /* it answers */
    work_away = true;
    worker_drain_step(&worker);
    assert_true(worker.leaving);
    assert_int_equal(worker.exit_code, HX_EXIT_TRY_AGAIN);
    worker.leaving = work_away = false;
    worker.heard_ms -= 60 * 1000;
    worker_drain_step(&worker);
    assert_true(worker.leaving);
    worker.leaving = false;
    commit(tx); /* an answer */
    worker_drain_step(&worker);
    assert_false(worker.leaving);
}

static void what_is_asked_while_jobs_run_is_heard(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    worker_lease_start(&worker);
    PUMP(find("signals"));
    refuse(expect("signals"), HX_PG_UNAVAILABLE, "");
    assert_int_equal(worker.heard_ms, 0);
    PUMP(find("signals"));
    answer(expect("signals"));
    assert_true(worker.heard_ms > 0);
}

static void a_second_order_changes_nothing(void **state) {
    (void)state;
    worker_drain(&worker);
    struct hx_timer *timer = worker.drain_timer;
    worker_drain(&worker);
    assert_ptr_equal(worker.drain_timer, timer);
}

static void one_that_was_retired_has_no_deadline_until_it_is_drained(void **state) {
    (void)state;
    settings[HX_SUPERVISOR_DRAIN_TIMEOUT] = 3600 * 1000;
    announce(1, 1, MOCK);
    jobs[1].payload = "{\"fail\":\"hang\"}";
    commit(send());
    worker_retire(&worker);
    assert_true(worker.draining);
    assert_null(worker.drain_timer);
    worker_drain(&worker);
    assert_true(hx_timer_armed(worker.drain_timer));
    worker_drain_within(&worker, 1); /* as the configuration says by now */
    worker_drain(&worker);           /* the signal may come behind it */
    PUMP(worker.cut_short);
    struct hx_timer *timer = worker.drain_timer;
    worker_drain_within(&worker, 0); /* nothing is cut short twice */
    assert_ptr_equal(worker.drain_timer, timer);
    hx_loop_once(worker.loop, 0);
    assert_false(worker.leaving);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signs_off_when_everything_is_written, begin, end),
        cmocka_unit_test_setup_teardown(waits_for_a_doubt, begin, end),
        cmocka_unit_test_setup_teardown(unregistered_it_just_ends, begin, end),
        cmocka_unit_test_setup_teardown(what_runs_too_long_is_cut_short, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_left_to_the_reaper, begin, end),
        cmocka_unit_test_setup_teardown(without_a_connection_it_leaves_its_row, begin, end),
        cmocka_unit_test_setup_teardown(told_to_hurry_it_waits_for_nobody, begin, end),
        cmocka_unit_test_setup_teardown(in_a_hurry_a_handler_has_no_grace, begin, end),
        cmocka_unit_test_setup_teardown(a_grace_that_has_begun_is_over_then, begin, end),
        cmocka_unit_test_setup_teardown(so_is_that_of_one_that_ran_out_of_time, begin, end),
        cmocka_unit_test_setup_teardown(a_silent_database_is_not_waited_for_in_the_end, begin, end),
        cmocka_unit_test_setup_teardown(what_is_asked_while_jobs_run_is_heard, begin, end),
        cmocka_unit_test_setup_teardown(a_second_order_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(one_that_was_retired_has_no_deadline_until_it_is_drained, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
