#include "common/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/text.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 10000, MANY = 100 };

struct fixture {
    struct hx_loop *loop;
    int signals, signo;
    struct hx_sender sender;
    int children, status;
    pid_t pid;
    bool usage_seen;
    int orphans;
    pid_t orphan;
    int orphan_status;
};

static int setup(void **state) {
    struct fixture *f = hx_alloc(sizeof(*f));
    *state = f;
    return hx_loop_new(&f->loop);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    hx_loop_free(f->loop);
    free(f);
    return 0;
}

static void until(struct fixture *f, const int *counter, int n) {
    int64_t end = hx_mono_ms() + DEADLINE_MS;
    while (*counter < n && hx_mono_ms() < end)
        assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(*counter, n);
}

static void on_signal(int signo, const struct hx_sender *sender, void *user) {
    struct fixture *f = user;
    f->signals++;
    f->signo = signo;
    f->sender = *sender;
}

static void signals_are_events(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_loop_signal(f->loop, SIGTERM, on_signal, f), 0);
    assert_int_equal(hx_loop_signal(f->loop, SIGHUP, on_signal, f), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    until(f, &f->signals, 1);
    assert_int_equal(f->signo, SIGTERM);
    assert_int_equal(f->sender.pid, getpid());
    assert_int_equal(f->sender.uid, getuid());
    assert_true(f->sender.certain);
    assert_int_equal(sigqueue(getpid(), SIGHUP, (union sigval){ 0 }), 0);
    until(f, &f->signals, 2);
    assert_int_equal(f->signo, SIGHUP);
    assert_false(f->sender.certain);
    assert_int_equal(hx_loop_signal(f->loop, SIGHUP, NULL, NULL), 0); /* swallowed from now on */
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    hx_loop_once(f->loop, DEADLINE_MS);
    assert_int_equal(f->signals, 2);
}

static void refuses_what_cannot_be_taken(void **state) {
    struct fixture *f = *state;
    static const int bad[] = { SIGCHLD, SIGKILL, SIGSTOP, 0, -1, 1000 };
    for (size_t i = 0; i < HX_ARRAY_LEN(bad); i++)
        assert_int_equal(hx_loop_signal(f->loop, bad[i], on_signal, f), -EINVAL);
}

static void on_child(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct fixture *f = user;
    f->children++;
    f->pid = pid;
    f->status = status;
    f->usage_seen = usage->ru_maxrss > 0;
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* reaped already */
}

/* A child that ends when told to: when the write end of the pipe is closed. */
static pid_t fork_waiting(int fds[2], int code) {
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(fds[1]);
        _exit(read(fds[0], &byte, 1) == 0 ? code : 99);
    }
    close(fds[0]);
    return pid;
}

static void children_are_reaped(void **state) {
    struct fixture *f = *state;
    int fds[2];
    pid_t pid = fork_waiting(fds, 7);
    assert_int_equal(hx_loop_child(f->loop, pid, on_child, f), 0);
    assert_int_equal(hx_loop_child(f->loop, pid, on_child, f), -EEXIST);
    hx_loop_once(f->loop, 0);
    assert_int_equal(f->children, 0);
    close(fds[1]);
    until(f, &f->children, 1);
    assert_int_equal(f->pid, pid);
    assert_true(WIFEXITED(f->status));
    assert_int_equal(WEXITSTATUS(f->status), 7);
    assert_true(f->usage_seen);
}

static void deaths_by_signal_too(void **state) {
    struct fixture *f = *state;
    int fds[2];
    pid_t pid = fork_waiting(fds, 0);
    assert_int_equal(hx_loop_child(f->loop, pid, on_child, f), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    until(f, &f->children, 1);
    assert_true(WIFSIGNALED(f->status));
    assert_int_equal(WTERMSIG(f->status), SIGKILL);
    close(fds[1]);
}

/* Its SIGCHLD was read, or came before anyone blocked it: registering must notice by itself. */
static void a_child_that_ended_before(void **state) {
    struct fixture *f = *state;
    siginfo_t info;
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    assert_int_equal(sigtimedwait(&chld, NULL, &(struct timespec){ 0 }), SIGCHLD);
    assert_int_equal(hx_loop_child(f->loop, pid, on_child, f), 0);
    until(f, &f->children, 1);
    assert_int_equal(WEXITSTATUS(f->status), 3);
}

static void strangers_are_refused(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_loop_child(f->loop, 1, on_child, f), -ECHILD);
    assert_int_equal(hx_loop_child(f->loop, 0, on_child, f), -EINVAL);
    assert_int_equal(hx_loop_child(f->loop, -1, on_child, f), -EINVAL);
}

/* SIGCHLD is one signal however many died: none may be forgotten. */
static void many_at_once(void **state) {
    struct fixture *f = *state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    for (int i = 0; i < MANY; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            close(fds[1]);
            _exit(read(fds[0], &byte, 1) == 0 ? 0 : 1);
        }
        assert_int_equal(hx_loop_child(f->loop, pid, on_child, f), 0);
    }
    close(fds[0]);
    close(fds[1]);
    until(f, &f->children, MANY);
}

static void on_orphan(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct fixture *f = user;
    (void)usage;
    f->orphans++;
    f->orphan = pid;
    f->orphan_status = status;
}

/* The grandchild, left alone by its parent, comes to us and is told apart from our own. */
static void orphans_come_to_a_subreaper(void **state) {
    struct fixture *f = *state;
    int life[2], report[2];
    pid_t grandchild;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    hx_loop_set_orphan(f->loop, on_orphan, f);
    assert_int_equal(pipe(report), 0);
    assert_int_equal(pipe(life), 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            close(life[1]);
            _exit(read(life[0], &byte, 1) == 0 ? 5 : 99);
        }
        _exit(write(report[1], &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
    }
    assert_int_equal(hx_loop_child(f->loop, child, on_child, f), 0);
    assert_int_equal(read(report[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
    until(f, &f->children, 1);
    assert_int_equal(f->pid, child);
    assert_int_equal(f->orphans, 0);
    close(life[1]);
    until(f, &f->orphans, 1);
    assert_int_equal(f->orphan, grandchild);
    assert_int_equal(WEXITSTATUS(f->orphan_status), 5);
    assert_int_equal(f->children, 1);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
    close(life[0]);
    close(report[0]);
    close(report[1]);
}

static void start_next(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct fixture *f = user;
    (void)pid;
    (void)status;
    (void)usage;
    if (++f->children == 5)
        return;
    pid_t next = fork();
    if (next == 0)
        _exit(0);
    assert_int_equal(hx_loop_child(f->loop, next, start_next, f), 0);
}

static void a_callback_starts_the_next(void **state) {
    struct fixture *f = *state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(hx_loop_child(f->loop, pid, start_next, f), 0);
    until(f, &f->children, 5);
}

static void free_loop(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct fixture *f = user;
    (void)pid;
    (void)status;
    (void)usage;
    f->children++;
    f->loop = hx_loop_free(f->loop);
}

static void a_callback_frees_the_loop(void **state) {
    struct fixture *f = *state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(hx_loop_child(f->loop, pid, free_loop, f), 0);
    assert_int_equal(hx_loop_run(f->loop), 0);
    assert_int_equal(f->children, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(signals_are_events),
        TEST(refuses_what_cannot_be_taken),
        TEST(children_are_reaped),
        TEST(deaths_by_signal_too),
        TEST(a_child_that_ended_before),
        TEST(strangers_are_refused),
        TEST(many_at_once),
        TEST(orphans_come_to_a_subreaper),
        TEST(a_callback_starts_the_next),
        TEST(a_callback_frees_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
