#include "common/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 10000 };

/* Not for valgrind, whose vfork is a fork: the child's error and pid would not reach us. */

/* Shell: the numbers of its open descriptors, in $open. A listing of the directory would show its own. */
#define LIST_FDS "n=0; while [ $n -lt 1000 ]; do [ -e /proc/$$/fd/$n ] && open=$open$n' '; n=$((n+1)); done; "

#define SPAWN ((struct hx_spawn){ .fd_in = -1, .fd_out = -1, .fd_err = -1 })

static char *read_all(int fd) {
    struct hx_buf b = { 0 };
    struct pollfd readable = { .fd = fd, .events = POLLIN };
    for (;;) {
        assert_int_equal(poll(&readable, 1, DEADLINE_MS), 1);
        ssize_t n = read(fd, hx_buf_reserve(&b, 4096), 4096);
        assert_true(n >= 0);
        if (n == 0)
            return hx_buf_take(&b);
        b.len += (size_t)n;
    }
}

/* Runs a shell command by the spec, with its stdout in a pipe; returns what it wrote. Ends with `code`. */
static char *shell(struct hx_spawn spec, const char *command, int code) {
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    int fds[2], status;
    pid_t pid;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    spec.argv = argv;
    spec.fd_out = fds[1];
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    close(fds[1]);
    char *out = read_all(fds[0]);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
    return out;
}

static void runs_with_arguments_and_environment(void **s) {
    (void)s;
    const char *const envp[] = { "A=1", "B=two words", NULL };
    struct hx_spawn spec = SPAWN;
    spec.envp = envp;
    spec.cwd = "/usr";
    _cleanup_free_ char *out = shell(spec, "echo \"$A|$B|$HOME|$(pwd)\"; cat; exit 3", 3); /* stdin is /dev/null */
    assert_string_equal(out, "1|two words||/usr\n");
    setenv("HX_TEST_INHERITED", "yes", 1);
    _cleanup_free_ char *inherited = shell(SPAWN, "echo $HX_TEST_INHERITED", 0);
    assert_string_equal(inherited, "yes\n");
}

static void closes_all_other_descriptors(void **s) {
    (void)s;
    int high = fcntl(0, F_DUPFD, 700); /* not CLOEXEC: close_range must take them */
    int low = dup(0);
    assert_true(high >= 700 && low > 2);
    _cleanup_free_ char *out = shell(SPAWN, LIST_FDS "echo $open", 0);
    assert_string_equal(out, "0 1 2\n");
    close(high);
    close(low);
}

/* Sources that lie on each other's targets, the same source twice, and a hole. */
static void hands_descriptors_over_in_order(void **s) {
    (void)s;
    int pipes[3][2];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
        dprintf(pipes[i][1], "%c\n", "abc"[i]);
        close(pipes[i][1]);
    }
    /* Read ends at 3, 4, 5, but wanted the other way round. */
    int saved[3];
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(pipes[i][0], F_DUPFD_CLOEXEC, 100);
        close(pipes[i][0]);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(dup3(saved[i], 3 + i, O_CLOEXEC), 3 + i);
    const int keep[] = { 5, -1, 4, 3, 3 };
    struct hx_spawn spec = SPAWN;
    spec.keep = keep;
    spec.keep_count = HX_ARRAY_LEN(keep);
    _cleanup_free_ char *out =
        shell(spec, LIST_FDS "echo $open; read x <&3; read y <&5; read z <&6; echo $x$y$z; cat <&7", 0);
    assert_string_equal(out, "0 1 2 3 5 6 7\ncba\n");
    for (int i = 0; i < 3; i++) {
        close(saved[i]);
        close(3 + i);
    }
}

static void swaps_standard_descriptors(void **s) {
    (void)s;
    int fds[2], status;
    pid_t pid;
    const char *argv[] = { "/bin/sh", "-c", "echo out; echo err >&2", NULL };
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    struct hx_spawn spec = { .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = fds[1] };
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    close(fds[1]);
    _cleanup_free_ char *out = read_all(fds[0]);
    assert_string_equal(out, "err\n"); /* stdout went to /dev/null */
    close(fds[0]);
    waitpid(pid, &status, 0);
}

static void nothing(int signo) {
    (void)signo;
}

/* Line of /proc/PID/status, e.g. "SigBlk:". */
static void status_line_is(const char *status, const char *name, const char *value) {
    const char *line = strstr(status, name);
    assert_non_null(line);
    line += strlen(name) + strspn(line + strlen(name), " \t");
    assert_int_equal(strncmp(line, value, strlen(value)), 0);
}

static void resets_signals_and_mask(void **s) {
    (void)s;
    sigset_t set, before, after;
    struct sigaction old_pipe, old_usr;
    const char *const argv[] = { "/bin/cat", "/proc/self/status", NULL };
    int fds[2], status;
    pid_t pid;
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, &old_pipe);
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nothing }, &old_usr);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigprocmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    struct hx_spawn spec = { .argv = argv, .fd_in = -1, .fd_out = fds[1], .fd_err = -1 };
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    close(fds[1]);
    _cleanup_free_ char *out = read_all(fds[0]);
    close(fds[0]);
    waitpid(pid, &status, 0);
    status_line_is(out, "SigBlk:", "0000000000000000");
    /* Signals 32 and 33 are glibc's own: its sigaction refuses them, and its posix_spawn, which make uses, leaves them ignored. */
    const char *ignored = strstr(out, "SigIgn:");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + strlen("SigIgn:"), NULL, 16) & ~0x180000000ull, 0);
    status_line_is(out, "SigCgt:", "0000000000000000");
    /* And ours are as they were. */
    sigprocmask(SIG_BLOCK, NULL, &after);
    for (int signo = 1; signo < _NSIG; signo++)
        assert_int_equal(sigismember(&before, signo), sigismember(&after, signo));
    struct sigaction ours;
    sigaction(SIGUSR1, &old_usr, &ours);
    assert_ptr_equal(ours.sa_handler, nothing);
    sigaction(SIGPIPE, &old_pipe, &ours);
    assert_ptr_equal(ours.sa_handler, SIG_IGN);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void sets_group_limits_and_privileges(void **s) {
    (void)s;
    struct hx_spawn spec = SPAWN;
    spec.new_group = spec.no_core = spec.no_new_privs = true;
    spec.data_max = 64 << 20;
    _cleanup_free_ char *out = shell(spec,
                                     "read _ _ _ _ group _ </proc/$$/stat; [ $group = $$ ] && echo own; ulimit -c; "
                                     "ulimit -Hc; ulimit -d; ulimit -Hd;"
                                     "grep NoNewPrivs /proc/$$/status",
                                     0);
    assert_string_equal(out, "own\n0\n0\n65536\n65536\nNoNewPrivs:\t1\n");
}

static void publishes_its_pid(void **s) {
    (void)s;
    int32_t published = 0;
    pid_t pid;
    const char *argv[] = { "/bin/true", NULL };
    struct hx_spawn spec = SPAWN;
    spec.argv = argv;
    spec.publish_pid = &published;
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    assert_int_equal(published, pid);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void fails_with(struct hx_spawn spec, const char *path, int error) {
    const char *argv[] = { path, NULL };
    int32_t published = 0;
    pid_t pid = 42;
    if (!spec.argv)
        spec.argv = argv;
    spec.publish_pid = &published;
    assert_int_equal(hx_spawn(&spec, &pid), -error);
    assert_int_equal(pid, 42);
    assert_int_equal(published, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* leaves no zombie */
    assert_int_equal(errno, ECHILD);
}

static void reports_why_it_failed(void **s) {
    (void)s;
    struct hx_spawn spec = SPAWN;
    fails_with(spec, "/does/not/exist", ENOENT);
    fails_with(spec, "/etc/passwd", EACCES);
    fails_with(spec, "/usr", EACCES);
    fails_with(spec, "sh", ENOENT); /* no search in PATH */
    spec.cwd = "/does/not/exist";
    fails_with(spec, "/bin/true", ENOENT);
    spec = SPAWN;
    spec.fd_in = 999;
    fails_with(spec, "/bin/true", EBADF);
    spec = SPAWN;
    const int keep[] = { 998 };
    spec.keep = keep;
    spec.keep_count = 1;
    fails_with(spec, "/bin/true", EBADF);
    spec = SPAWN;
    const char *const none[] = { NULL };
    spec.argv = none;
    fails_with(spec, NULL, EINVAL);
    spec = SPAWN;
    spec.death_signal = 1000;
    fails_with(spec, "/bin/true", EINVAL);
    spec = SPAWN;
    _cleanup_free_ char *huge = hx_alloc(1 << 22);
    memset(huge, 'x', (1 << 22) - 1);
    const char *const argv[] = { "/bin/true", huge, NULL };
    spec.argv = argv;
    fails_with(spec, NULL, E2BIG);
}

/* The child of a parent that is killed dies with it. As a subreaper we get to see how it died. */
static void dies_with_its_parent(void **s) {
    (void)s;
    int report[2], status;
    pid_t grandchild;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    pid_t parent = fork();
    if (parent == 0) {
        int in[2];
        pid_t pid;
        const char *argv[] = { "/bin/cat", NULL }; /* waits for a writer that we never are */
        if (pipe2(in, 0) != 0)
            _exit(1);
        struct hx_spawn spec = { .argv = argv,
                                 .fd_in = in[0],
                                 .fd_out = -1,
                                 .fd_err = -1,
                                 .death_signal = SIGTERM,
                                 .keep = &in[1],
                                 .keep_count = 1 };
        if (hx_spawn(&spec, &pid) != 0 || write(report[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(report[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(waitpid(grandchild, &status, 0), grandchild);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    close(report[0]);
    close(report[1]);
}

static void starts_without_any_descriptor(void **s) {
    (void)s;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        /* Not even 0, 1 and 2: /dev/null must not land on a number that is still to be filled. */
        const char *argv[] = { "/bin/sh", "-c", LIST_FDS "[ \"$open\" = '0 1 2 ' ] && [ /proc/$$/fd/2 -ef /dev/null ]",
                               NULL };
        struct hx_spawn spec = SPAWN;
        pid_t child;
        spec.argv = argv;
        close_range(0, ~0U, 0);
        if (hx_spawn(&spec, &child) != 0 || waitpid(child, &status, 0) != child)
            _exit(90);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 91);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_with_arguments_and_environment),
        cmocka_unit_test(closes_all_other_descriptors),
        cmocka_unit_test(hands_descriptors_over_in_order),
        cmocka_unit_test(swaps_standard_descriptors),
        cmocka_unit_test(resets_signals_and_mask),
        cmocka_unit_test(sets_group_limits_and_privileges),
        cmocka_unit_test(publishes_its_pid),
        cmocka_unit_test(reports_why_it_failed),
        cmocka_unit_test(dies_with_its_parent),
        cmocka_unit_test(starts_without_any_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
