/* Runs with more processes than their handler may have. */
#include "tests/unit/worker/fixture.h"

#include "common/process.h"
#include "worker/exec.h"

#include <sys/prctl.h>

static struct run *start(const char *script, int64_t tasks_max) {
    struct handler *h = (struct handler *)(uintptr_t)handler_of(SHELL);
    h->tasks_max = tasks_max;
    shell_argv[2] = script;
    claim_all(1, 1, SHELL);
    return run_of(1);
}

static void check_ended_for_it(struct run *run) {
    PUMP(run->ended);
    assert_string_equal(run->outcome.code, "tasks_max");
    assert_string_equal(run->outcome.message, "more than 3 processes and threads");
    assert_int_equal(run->outcome.status, HX_FAILED);
}

static void one_too_many(void **state) {
    (void)state;
    check_ended_for_it(start("sleep 300 & sleep 300 & sleep 300 & wait", 3));
}

static void also_of_those_that_have_left(void **state) {
    (void)state;
    check_ended_for_it(
        start("trap '' TERM; for i in 1 2 3; do setsid sh -c 'sleep 300 &'; done; while :; do sleep 300; done", 3));
    pid_t left[8]; /* they would be counted as the next test's, whose run has the same number */
    PUMP((exec_kill_strays(&worker), hx_children(left, HX_ARRAY_LEN(left)) == 0));
}

static void as_many_as_it_may(void **state) {
    (void)state;
    struct run *run = start("sleep 300 & sleep 300 & echo '{\"stage\":\"on\"}'; wait", 3);
    PUMP(run->message_count);
    for (int i = 0; i < 3; i++) { /* counted each time */
        hx_timer_set(worker.tasks_timer, 0);
        hx_loop_once(worker.loop, 0);
    }
    assert_false(run->ended);
    assert_true(hx_timer_armed(worker.tasks_timer));
    run_stop(run, STOP_CANCEL, "why");
    PUMP(run->ended);
    PUMP(!hx_timer_armed(worker.tasks_timer)); /* nobody is watched any more */
}

static void without_a_limit_nobody_is_counted(void **state) {
    (void)state;
    struct run *run = start("sleep 300", 0);
    assert_null(worker.tasks_timer);
    run_stop(run, STOP_CANCEL, "why");
    PUMP(run->ended);
}

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_too_many, begin, end),
        cmocka_unit_test_setup_teardown(also_of_those_that_have_left, begin, end),
        cmocka_unit_test_setup_teardown(as_many_as_it_may, begin, end),
        cmocka_unit_test_setup_teardown(without_a_limit_nobody_is_counted, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
