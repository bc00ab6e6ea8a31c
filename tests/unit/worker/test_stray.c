/* Daemonised grandchildren: they live as long as their job runs here. */
#include "tests/unit/worker/fixture.h"

#include "common/mark.h"
#include "common/process.h"
#include "worker/exec.h"

#include <signal.h>
#include <sys/prctl.h>

static pid_t spawn_with(const char *variable, uint64_t mark) {
    const char *const argv[] = { "/bin/sleep", "300", NULL };
    const char *const envp[] = { variable, NULL };
    struct hx_spawn spec = {
        .argv = argv, .envp = envp, .fd_in = -1, .fd_out = -1, .fd_err = -1, .new_group = true, .mark = mark
    };
    pid_t pid;
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    return pid;
}

static bool alive(pid_t pid) {
    return kill(pid, 0) == 0;
}

static bool ended(pid_t pid) {
    return !alive(pid);
}

/* As the worker's tick does it. */
#define PUMP_AND_SWEEP(condition) PUMP((worker.strays_due ? exec_kill_strays(&worker) : (void)0, condition))

/* Says its daemon's pid as a stage, and goes on. */
#define DAEMON "pid=$(setsid sh -c 'sleep 300 >/dev/null 2>&1 & echo $!'); echo \"{\\\"stage\\\":\\\"$pid\\\"}\"; "

static pid_t daemon_of(struct run *run) {
    PUMP(run->message_count);
    int pid = 0;
    assert_int_equal(sscanf(run->messages[0], "{\"attempt\":1,\"stage\":\"%d\"", &pid), 1);
    assert_true(pid > 1);
    return pid;
}

static void a_daemon_ends_with_its_job(void **state) {
    (void)state;
    shell_argv[2] = DAEMON "exec sleep 300";
    claim_all(1, 1, SHELL);
    struct run *run = run_of(1);
    pid_t pid = daemon_of(run);
    exec_kill_strays(&worker);
    for (int i = 0; i < 3; i++)
        hx_loop_once(worker.loop, 0);
    assert_true(alive(pid)); /* its job runs */
    run_stop(run, STOP_CANCEL, "why");
    PUMP(run->ended);
    PUMP_AND_SWEEP(ended(pid));
}

/* Without a name, beside older and younger runs, each knows its own. */
static void one_without_a_name_ends_with_its_run(void **state) {
    (void)state;
    shell_argv[2] = "pid=$(setsid env -i sh -c 'sleep 300 >/dev/null 2>&1 & echo $!'); echo "
                    "\"{\\\"stage\\\":\\\"$pid\\\"}\"; exec sleep 300";
    claim_all(1, 3, SHELL);
    pid_t daemons[] = { daemon_of(run_of(1)), daemon_of(run_of(2)), daemon_of(run_of(3)) };
    run_stop(run_of(2), STOP_CANCEL, "why");
    PUMP(run_of(2)->ended);
    PUMP_AND_SWEEP(ended(daemons[1]));
    assert_true(alive(daemons[0]) && alive(daemons[2]));
    assert_true(exec_left_by(daemons[0], run_of(1)));
    assert_false(exec_left_by(daemons[0], run_of(3)));
    for (unsigned n = 1; n <= 3; n += 2) {
        run_stop(run_of(n), STOP_CANCEL, "why");
        PUMP(run_of(n)->ended);
        PUMP_AND_SWEEP(ended(daemons[n - 1]));
    }
}

/* Its job runs here again: it is the earlier run's all the same. */
static void the_mark_counts_more_than_the_name(void **state) {
    (void)state;
    shell_argv[2] = "exec sleep 300";
    claim_all(1, 1, SHELL);
    char name[16 + HX_UUID_SIZE], id[HX_UUID_SIZE];
    hx_uuid_format(&run_of(1)->id, id);
    snprintf(name, sizeof name, "HEIMDEX_JOB_ID=%s", id);
    pid_t earlier = spawn_with(name, hx_mark_of_run(worker.mark, run_of(1)->program + 1)), named = spawn_with(name, 0);
    PUMP((exec_kill_strays(&worker), ended(earlier)));
    assert_true(alive(named));
    assert_false(run_of(1)->ended);
    run_stop(run_of(1), STOP_CANCEL, "why");
    PUMP_AND_SWEEP(run_of(1)->ended && ended(named));
}

static void no_two_programs_have_one_mark(void **state) {
    (void)state;
    shell_argv[2] = "exec sleep 300";
    claim_all(1, 1, SHELL);
    worker.programs += 65535;
    claim_all(2, 2, SHELL);
    assert_true(run_of(1)->mark != run_of(2)->mark);
    assert_ptr_equal(exec_marked(&worker, run_of(1)->mark), run_of(1));
    assert_ptr_equal(exec_marked(&worker, run_of(2)->mark), run_of(2));
    for (unsigned n = 1; n <= 2; n++)
        run_stop(run_of(n), STOP_CANCEL, "why");
    PUMP_AND_SWEEP(run_of(1)->ended && run_of(2)->ended);
}

static void those_of_other_jobs_stay(void **state) {
    (void)state;
    shell_argv[2] = DAEMON "exec sleep 300";
    claim_all(1, 2, SHELL);
    pid_t first = daemon_of(run_of(1)), second = daemon_of(run_of(2));
    run_stop(run_of(1), STOP_CANCEL, "why");
    PUMP(run_of(1)->ended);
    PUMP_AND_SWEEP(ended(first));
    assert_true(alive(second));
    assert_false(run_of(2)->ended);
    run_stop(run_of(2), STOP_CANCEL, "why");
    PUMP(run_of(2)->ended);
    PUMP_AND_SWEEP(ended(second));
}

/* Whose it is can't be known: it lives while anything runs that had started before it came, and no longer. */
static void one_without_a_mark_or_a_name_ends_with_those_that_it_may_belong_to(void **state) {
    (void)state;
    shell_argv[2] = DAEMON "exec sleep 300";
    claim_all(1, 2, SHELL);
    daemon_of(run_of(1)), daemon_of(run_of(2));
    pid_t nameless = spawn_with("PATH=/bin", 0), wrong = spawn_with("HEIMDEX_JOB_ID=1234", 0);
    exec_kill_strays(&worker);
    claim_all(3, 3, SHELL);
    daemon_of(run_of(3));
    run_stop(run_of(1), STOP_CANCEL, "why");
    PUMP_AND_SWEEP(run_of(1)->ended);
    exec_kill_strays(&worker);
    assert_true(alive(nameless));
    assert_true(alive(wrong));
    run_stop(run_of(2), STOP_CANCEL, "why");
    PUMP_AND_SWEEP(ended(nameless) && ended(wrong));
    assert_false(run_of(3)->ended);
    run_stop(run_of(3), STOP_CANCEL, "why");
    PUMP_AND_SWEEP(run_of(3)->ended);
}

static void what_names_a_job_that_is_not_here_is_ended(void **state) {
    (void)state;
    shell_argv[2] = "exec sleep 300";
    claim_all(2, 2, SHELL);
    pid_t stray = spawn_with("HEIMDEX_JOB_ID=01890000-0000-7000-8000-000000000001", 0);
    PUMP((exec_kill_strays(&worker), ended(stray))); /* a program's environment is there a moment after it is */
    assert_false(run_of(2)->ended);
}

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_daemon_ends_with_its_job, begin, end),
        cmocka_unit_test_setup_teardown(one_without_a_name_ends_with_its_run, begin, end),
        cmocka_unit_test_setup_teardown(the_mark_counts_more_than_the_name, begin, end),
        cmocka_unit_test_setup_teardown(no_two_programs_have_one_mark, begin, end),
        cmocka_unit_test_setup_teardown(those_of_other_jobs_stay, begin, end),
        cmocka_unit_test_setup_teardown(one_without_a_mark_or_a_name_ends_with_those_that_it_may_belong_to, begin, end),
        cmocka_unit_test_setup_teardown(what_names_a_job_that_is_not_here_is_ended, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
