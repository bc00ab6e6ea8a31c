#include "supervisor/leftovers.h"

#include "common/mark.h"
#include "common/process.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 10000 };

/* A program's environment is there a moment after it is. */
static void wait_for_environment(pid_t pid) {
    char path[48], byte;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    for (int i = 0;; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, &byte, 1) : -1;
        close(fd);
        if (n == 1)
            return;
        assert_true(i < DEADLINE_MS);
        poll(NULL, 0, 1);
    }
}

static pid_t start_with(const char *variable, uint64_t mark, int death_signal) {
    const char *const argv[] = { "/bin/sleep", "60", NULL };
    const char *const envp[] = { "A=b", variable, NULL };
    struct hx_spawn spec = {
        .argv = argv, .envp = envp, .fd_in = -1, .fd_out = -1, .fd_err = -1, .mark = mark, .death_signal = death_signal
    };
    pid_t pid;
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    wait_for_environment(pid);
    return pid;
}

static pid_t start(const char *variable, uint64_t mark) {
    return start_with(variable, mark, SIGKILL);
}

/* In a PID namespace of its own, where it sees no parent that may die. Only root may; 0 for others. */
static pid_t start_contained(const char *variable, uint64_t mark) {
    int ours = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    assert_true(ours >= 0);
    if (unshare(CLONE_NEWPID) < 0) {
        assert_int_equal(errno, EPERM);
        close(ours);
        return 0;
    }
    pid_t pid = start_with(variable, mark, 0);
    assert_int_equal(setns(ours, CLONE_NEWPID), 0);
    close(ours);
    return pid;
}

static uint64_t mark_of(const char *socket, uint64_t pid_namespace) {
    return hx_mark_of_run(hx_mark_of_worker(hx_mark_of_fleet(socket, pid_namespace), 4711), 42);
}

static int how_it_ended(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

static void end(pid_t pid) {
    assert_int_equal(kill(pid, 0), 0);
    kill(pid, SIGTERM);
    assert_int_equal(how_it_ended(pid), SIGTERM);
}

/* Whatever run of whatever worker it was. */
static void one_without_a_name_is_known_by_its_mark(void **state) {
    (void)state;
    char socket[64], other[64];
    snprintf(socket, sizeof socket, "/tmp/leftovers-%d", (int)getpid());
    snprintf(other, sizeof other, "/tmp/leftovers-%d0", (int)getpid());
    pid_t ours = start(NULL, mark_of(socket, hx_pid_namespace(0)));
    pid_t theirs = start(NULL, mark_of(other, hx_pid_namespace(0)));
    pid_t nobodys = start(NULL, 0);
    assert_int_equal(leftovers_kill(socket), 1);
    assert_int_equal(how_it_ended(ours), SIGKILL);
    end(theirs), end(nobodys);
}

static void only_what_is_named_is_killed(void **state) {
    (void)state;
    char mark[64], other[64];
    snprintf(mark, sizeof mark, "HEIMDEX_FLEET=/tmp/leftovers-%d", (int)getpid());
    snprintf(other, sizeof other, "HEIMDEX_FLEET=/tmp/leftovers-%d0", (int)getpid());
    pid_t ours = start(mark, 0), theirs = start(other, 0);
    assert_int_equal(leftovers_kill(mark + strlen("HEIMDEX_FLEET=")), 1);
    assert_int_equal(how_it_ended(ours), SIGKILL);
    end(theirs);
    assert_int_equal(leftovers_kill(mark + strlen("HEIMDEX_FLEET=")), 0);
}

/* A container's fleet may have the same path. */
static void another_namespaces_fleet_is_left_alone(void **state) {
    (void)state;
    char variable[64];
    const char *socket = variable + strlen("HEIMDEX_FLEET=");
    snprintf(variable, sizeof variable, "HEIMDEX_FLEET=/tmp/leftovers-%d", (int)getpid());
    pid_t marked = start(NULL, mark_of(socket, hx_pid_namespace(0) + 1));
    pid_t contained = start_contained(variable, mark_of(socket, hx_pid_namespace(0) + 1));
    assert_int_equal(leftovers_kill(socket), 0);
    end(marked);
    if (contained == 0)
        return;
    assert_int_equal(waitpid(contained, NULL, WNOHANG), 0);
    kill(contained, SIGKILL);
    assert_int_equal(how_it_ended(contained), SIGKILL);
}

/* A run may make itself a PID namespace. */
static void a_run_in_a_namespace_of_its_own_is_ours(void **state) {
    (void)state;
    char socket[64];
    snprintf(socket, sizeof socket, "/tmp/leftovers-%d", (int)getpid());
    pid_t contained = start_contained(NULL, mark_of(socket, hx_pid_namespace(0)));
    if (contained == 0)
        skip();
    assert_int_equal(leftovers_kill(socket), 1);
    assert_int_equal(how_it_ended(contained), SIGKILL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_named_is_killed),
        cmocka_unit_test(one_without_a_name_is_known_by_its_mark),
        cmocka_unit_test(another_namespaces_fleet_is_left_alone),
        cmocka_unit_test(a_run_in_a_namespace_of_its_own_is_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
