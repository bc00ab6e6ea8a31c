/* A job that took down as many workers as it may runs with nobody beside it. */
#include "tests/unit/worker/fixture.h"

#include "worker/alone.h"

enum { CRASHES = 3 };

static int begin_alone(void **state) {
    int r = begin(state);
    settings[HX_JOBS_MAX_CRASHES] = CRASHES;
    shell_argv[2] = "exec sleep 1000";
    return r;
}

/* Claims it, as a job that took down that many workers. */
static struct run *claim_crasher(unsigned n, const char *type, int32_t crashes) {
    announce(n, n, type);
    jobs[n].crash_count = crashes;
    commit(send());
    return run_of(n);
}

static void it_waits_until_the_others_have_ended(void **state) {
    (void)state;
    hold(1, 2, SHELL);
    struct run *run = claim_crasher(11, SHELL, CRASHES);
    alone_step(&worker);
    assert_false(run->evidence); /* nothing to blame it for */
    finish(1, 1);
    alone_step(&worker);
    assert_false(run->evidence);
    finish(2, 2);
    alone_step(&worker);
    assert_true(run->evidence);
    assert_ptr_equal(worker.alone, run);
}

static void others_are_no_concern_of_it(void **state) {
    (void)state;
    struct run *run = claim_crasher(11, SHELL, CRASHES - 1);
    assert_true(run->evidence);
    assert_false(alone_wanted(&worker));
}

static void nothing_is_claimed_meanwhile(void **state) {
    (void)state;
    hold(1, 1, SHELL);
    claim_crasher(11, SHELL, CRASHES);
    announce(12, 20, MOCK);
    assert_null(send());
    worker_take_start(&worker);
    hx_loop_once(worker.loop, 1000);
    assert_null(find("take"));
    finish(1, 1);
    alone_step(&worker);
    commit(send()); /* the completion, and no claim beside it */
    assert_null(send());
    run_stop(worker.alone, STOP_CANCEL, "the test");
    PUMP(!worker.alone);
    struct hx_pg_tx *tx = send();
    assert_non_null(statement_of(tx, CLAIM));
}

/* What a claim in flight brings, runs before it. */
static void a_claim_in_flight_comes_first(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    struct hx_pg_tx *tx = send();
    announce(11, 11, SHELL);
    jobs[11].crash_count = CRASHES;
    commit(send());
    announce(2, 2, SHELL);
    alone_step(&worker);
    assert_null(worker.alone);
    commit(tx);
    alone_step(&worker);
    assert_non_null(worker.alone);
}

static void one_after_the_other(void **state) {
    (void)state;
    announce(1, 2, SHELL);
    jobs[1].crash_count = jobs[2].crash_count = CRASHES;
    commit(send());
    alone_step(&worker);
    assert_ptr_equal(worker.alone, run_of(1));
    alone_step(&worker);
    assert_true(run_of(2)->held);
    run_stop(worker.alone, STOP_CANCEL, "the test");
    PUMP(!worker.alone);
    alone_step(&worker);
    assert_ptr_equal(worker.alone, run_of(2));
}

static void cancelled_before_its_start(void **state) {
    (void)state;
    hold(1, 1, SHELL);
    struct run *run = claim_crasher(11, SHELL, CRASHES);
    run_stop(run, STOP_CANCEL, "an operator");
    assert_int_equal(run->outcome.status, HX_CANCELED);
    assert_int_equal(run->outcome.add_attempt, -1);
    assert_false(alone_wanted(&worker));
    commit(send());
    assert_int_equal(jobs[11].status, HX_CANCELED);
}

static void a_drain_gives_it_back_untouched(void **state) {
    (void)state;
    hold(1, 1, SHELL);
    struct run *run = claim_crasher(11, SHELL, CRASHES);
    worker_drain(&worker);
    assert_int_equal(run->outcome.status, HX_QUEUED);
    assert_int_equal(run->outcome.add_attempt, -1);
    assert_int_equal(run->outcome.add_max_attempts, 0);
    assert_false(alone_wanted(&worker));
}

static void the_loss_of_everything_leaks_nothing(void **state) {
    (void)state;
    hold(1, 1, SHELL);
    claim_crasher(11, SHELL, CRASHES); /* end() frees the runs; the sanitizer looks */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_waits_until_the_others_have_ended, begin_alone, end),
        cmocka_unit_test_setup_teardown(others_are_no_concern_of_it, begin_alone, end),
        cmocka_unit_test_setup_teardown(nothing_is_claimed_meanwhile, begin_alone, end),
        cmocka_unit_test_setup_teardown(a_claim_in_flight_comes_first, begin_alone, end),
        cmocka_unit_test_setup_teardown(one_after_the_other, begin_alone, end),
        cmocka_unit_test_setup_teardown(cancelled_before_its_start, begin_alone, end),
        cmocka_unit_test_setup_teardown(a_drain_gives_it_back_untouched, begin_alone, end),
        cmocka_unit_test_setup_teardown(the_loss_of_everything_leaks_nothing, begin_alone, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
