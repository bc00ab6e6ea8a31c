/* In a build with failure points: what HEIMDEX_FAIL says happens, in a child each time. In one without: nothing does. */
#include "common/failpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/exit_codes.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 10, PASSED = 11 };

/* The wait status of a child that comes by x.here three times: exits with FAILED + the hit's number, or PASSED. */
static int come_by(const char *points) {
    pid_t pid = fork();
    if (pid == 0) {
        setenv("HEIMDEX_FAIL", points, 1);
        int code = hx_fail_start();
        if (code)
            _exit(code);
        for (int hit = 1; hit <= 3; hit++)
            if (HX_FAIL("x.here"))
                _exit(FAILED * hit);
        _exit(PASSED);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return status;
}

static int exit_of(const char *points) {
    int status = come_by(points);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#ifdef HX_FAILPOINTS

static void what_is_not_armed_passes(void **s) {
    (void)s;
    assert_int_equal(exit_of(""), PASSED);
    assert_int_equal(exit_of("y.here:error,x.there:kill,another-program/x.here:kill"), PASSED);
}

static void each_action(void **s) {
    (void)s;
    assert_int_equal(WTERMSIG(come_by("x.here:kill")), SIGKILL);
    assert_int_equal(WTERMSIG(come_by("x.here:abort")), SIGABRT);
    assert_int_equal(WSTOPSIG(come_by("x.here:freeze")), SIGSTOP);
    assert_int_equal(exit_of("x.here:exit=42"), 42);
    assert_int_equal(exit_of("x.here:error"), FAILED);
    int64_t began = hx_mono_ms();
    assert_int_equal(exit_of("x.here:delay=30ms"), PASSED);
    assert_true(hx_mono_ms() - began >= 90);
}

static void only_one_time(void **s) {
    (void)s;
    assert_int_equal(exit_of("x.here:error@3"), 3 * FAILED);
    assert_int_equal(exit_of("x.here:error@4"), PASSED);
    assert_int_equal(exit_of("x.here:error@2,x.here:exit=7@1"), 7);
}

static void only_in_one_program(void **s) {
    (void)s;
    assert_int_equal(exit_of("test_failpoint/x.here:error"), FAILED);
}

static void once_over_all_processes(void **s) {
    (void)s;
    char folder[] = "/tmp/hx-failpoint-XXXXXX", once[64], made[80];
    assert_non_null(mkdtemp(folder));
    snprintf(once, sizeof once, "%s/once", folder);
    snprintf(made, sizeof made, "%s.x.here.error", once);
    setenv("HEIMDEX_FAIL_ONCE", once, 1);
    assert_int_equal(exit_of("x.here:error@2"), 2 * FAILED);
    assert_int_equal(exit_of("x.here:error@2"), PASSED);
    assert_int_equal(unlink(made), 0);
    assert_int_equal(exit_of("x.here:error@2"), 2 * FAILED);
    unsetenv("HEIMDEX_FAIL_ONCE");
    unlink(made);
    rmdir(folder);
}

static void names_of_objects(void **s) {
    (void)s;
    setenv("HEIMDEX_FAIL", "put_aside.before_send:error@1", 1);
    assert_int_equal(hx_fail_start(), 0);
    assert_true(HX_FAIL_ARMED_AT("put aside", "before_send"));
    assert_false(HX_FAIL_ARMED_AT("put aside", "after_commit"));
    assert_true(HX_FAIL_AT("put aside", "before_send"));
    assert_false(HX_FAIL_AT("put aside", "before_send"));
    assert_false(HX_FAIL("put_aside.after_commit"));
}

static void bad_ones_are_refused(void **s) {
    (void)s;
    static const char *const bad[] = {
        "x",           "x.here",        ":kill",          "x.here:",         "x.here:burn",
        "x.here:exit", "x.here:exit=x", "x.here:delay=3", "x.here:kill=1",   "x.here:kill@0",
        "X.y:kill",    "nothing:kill",  "x.here:kill,,",  "x.here:exit=256", "x.here:kill@",
        "x.y:kill,z"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(exit_of(bad[i]), HX_EXIT_CONFIG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_armed_passes),
        cmocka_unit_test(each_action),
        cmocka_unit_test(only_one_time),
        cmocka_unit_test(only_in_one_program),
        cmocka_unit_test(once_over_all_processes),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(names_of_objects), /* last: it arms this process */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void nothing_happens(void **s) {
    (void)s;
    assert_int_equal(exit_of("x.here:error"), PASSED);
    assert_int_equal(exit_of("nonsense"), PASSED);
    HX_FAIL_HERE("x.here");
    assert_false(HX_FAIL_AT("x", "here"));
    assert_false(HX_FAIL_ARMED_AT("x", "here"));
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_happens) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
