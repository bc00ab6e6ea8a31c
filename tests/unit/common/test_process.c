#include "common/process.h"

#include "tests/unit/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void groups(void **s) {
    (void)s;
    int status;
    pid_t pid = start_group();
    assert_true(hx_group_alive(pid));
    assert_true(hx_kill_group(pid, SIGKILL));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_false(hx_group_alive(pid));
    assert_false(hx_kill_group(pid, SIGKILL));
}

static void a_zombie_does_not_run(void **s) {
    (void)s;
    siginfo_t info;
    assert_true(hx_runs(getpid()));
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(hx_runs(pid));
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(hx_runs(pid));
}

static bool in_group(pid_t pid, void *user) {
    return getpgid(pid) == *(const pid_t *)user;
}

static void all_that_are_named_are_killed(void **s) {
    (void)s;
    int status;
    pid_t pids[3], group = 0;
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            for (;;)
                pause();
        setpgid(pids[i], i < 2 ? group : 0);
        group = pids[0];
    }
    assert_int_equal(hx_kill_where(in_group, &group, 60000), 2);
    for (int i = 0; i < 2; i++) {
        assert_false(hx_runs(pids[i])); /* it waited for that */
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(WTERMSIG(status), SIGKILL);
    }
    assert_int_equal(hx_kill_where(in_group, &group, 60000), 0);
    assert_true(hx_runs(pids[2]));
    kill(pids[2], SIGTERM);
    assert_int_equal(waitpid(pids[2], &status, 0), pids[2]);
}

/* kill(2) would take 0 as our own group, -(-n) as a process, and -1 as everybody. */
static void never_everybody(void **s) {
    (void)s;
    static const pid_t wrong[] = { 1, 0, -1, -2 };
    for (size_t i = 0; i < 4; i++) {
        assert_false(hx_kill_group(wrong[i], 0));
        assert_false(hx_group_alive(wrong[i]));
    }
}

static void names_of_signals(void **s) {
    (void)s;
    assert_string_equal(hx_signal_name(SIGSEGV), "SIGSEGV");
    assert_string_equal(hx_signal_name(SIGKILL), "SIGKILL");
    assert_string_equal(hx_signal_name(34), "SIG34");
    assert_string_equal(hx_signal_name(0), "SIG0");
    const char *a = hx_signal_name(SIGTERM), *b = hx_signal_name(SIGHUP);
    assert_string_equal(a, "SIGTERM");
    assert_string_equal(b, "SIGHUP");
}

static void pid_namespaces(void **s) {
    (void)s;
    assert_true(hx_pid_namespace(0) > 0);
    assert_true(hx_pid_namespace(getpid()) == hx_pid_namespace(0));
    assert_true(hx_pid_namespace(INT32_MAX) == 0);
}

static void ids_of_the_machine(void **s) {
    (void)s;
    char machine[33], boot[33];
    assert_int_equal(hx_machine_id(machine), 0);
    assert_int_equal(hx_boot_id(boot), 0);
    assert_int_equal(strspn(machine, "0123456789abcdef"), 32);
    assert_int_equal(strspn(boot, "0123456789abcdef"), 32);
    assert_int_equal(strlen(machine), 32);
    assert_int_equal(strlen(boot), 32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups),
        cmocka_unit_test(a_zombie_does_not_run),
        cmocka_unit_test(all_that_are_named_are_killed),
        cmocka_unit_test(never_everybody),
        cmocka_unit_test(names_of_signals),
        cmocka_unit_test(pid_namespaces),
        cmocka_unit_test(ids_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
