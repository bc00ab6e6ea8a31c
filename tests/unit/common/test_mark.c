#include "common/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/process.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(uint64_t mark, const char *script) {
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };
    struct hx_spawn spec = {
        .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .mark = mark, .death_signal = SIGKILL
    };
    pid_t pid;
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    return pid;
}

static void end(pid_t pid) {
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void parts(void **state) {
    (void)state;
    uint64_t fleet = hx_mark_of_fleet("/run/heimdex/control", 7), worker = hx_mark_of_worker(fleet, 4194303);
    uint64_t run = hx_mark_of_run(worker, 65535);
    assert_true(fleet >> 62 == 1 && run >> 62 == 1);
    assert_true(hx_mark_eq(fleet, run, HX_MARK_FLEET));
    assert_false(hx_mark_eq(fleet, run, HX_MARK_WORKER));
    assert_true(hx_mark_eq(worker, run, HX_MARK_WORKER));
    assert_false(hx_mark_eq(worker, run, HX_MARK_RUN));
    assert_true(hx_mark_eq(run, run, HX_MARK_RUN));
    assert_true(hx_mark_of_run(run, 1) == hx_mark_of_run(worker, 65537));
    assert_true(hx_mark_of_worker(run, 4194303) == worker);
    assert_false(hx_mark_eq(hx_mark_of_worker(fleet, 1), hx_mark_of_worker(fleet, 2), HX_MARK_WORKER));
    assert_false(hx_mark_eq(fleet, hx_mark_of_fleet("/run/heimdex/control2", 7), HX_MARK_FLEET));
    assert_false(hx_mark_eq(fleet, hx_mark_of_fleet("/run/heimdex/control", 8), HX_MARK_FLEET)); /* a container's */
    assert_false(hx_mark_eq(0, 0, HX_MARK_FLEET));
}

static void it_stays_on_whoever_hides(void **state) {
    (void)state;
    uint64_t mark = hx_mark_of_run(hx_mark_of_worker(hx_mark_of_fleet("/tmp/a", 1), getpid()), 7);
    pid_t pid = start(mark, "exec setsid env -i /bin/sh -c 'ulimit -n 64; exec 0<&- 1>&- 2>&-; kill -STOP $$'");
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_true(hx_mark_on(pid) == mark);
    end(pid);
}

/* Nor what somebody set by hand, nor who isn't there. */
static void no_mark(void **state) {
    (void)state;
    assert_true(hx_mark_on(getpid()) == 0);
    pid_t pid = start(0, "exec sleep 60"), by_hand = start(1000, "exec sleep 60");
    assert_true(hx_mark_on(pid) == 0);
    assert_true(hx_mark_on(by_hand) == 0);
    end(pid), end(by_hand);
    assert_true(hx_mark_on(pid) == 0);
}

static bool may_raise_limits(void) {
    return setrlimit(RLIMIT_LOCKS, &(struct rlimit){ 1, 2 }) == 0;
}

/* Under a lower limit it can't be set: the program starts all the same. */
static void under_a_lower_limit(void **state) {
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_LOCKS, &(struct rlimit){ 1, 1 });
        const char *const argv[] = { "/bin/sleep", "60", NULL };
        struct hx_spawn spec = {
            .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .mark = hx_mark_of_fleet("/tmp/a", 1)
        };
        pid_t pid;
        bool right = hx_spawn(&spec, &pid) == 0 && (hx_mark_on(pid) == 0) == !may_raise_limits();
        kill(pid, SIGKILL);
        _exit(!right);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),
        cmocka_unit_test(it_stays_on_whoever_hides),
        cmocka_unit_test(no_mark),
        cmocka_unit_test(under_a_lower_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
