/* Processes that are started apart: nobody waits for their exec. */
#include "common/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 10000 };

/* What a child waits at, in a process of its own that starts it: neither may hold up the test. */
struct waiting {
    int entrance[2]; /* at which the child has to wait, as at a control group's: a pipe that is full */
    int report[2];   /* a byte when it is started */
    int32_t *published;
    struct hx_spawn spec;
};

static void waiting_open(struct waiting *w, const char *const *argv) {
    assert_int_equal(pipe2(w->report, O_CLOEXEC), 0);
    assert_int_equal(pipe2(w->entrance, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(w->entrance[1], "x", 1) == 1)
        ;
    assert_int_equal(fcntl(w->entrance[1], F_SETFL, 0), 0);
    w->published = mmap(NULL, sizeof *w->published, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    w->spec = (struct hx_spawn){
        .argv = argv,
        .fd_in = -1,
        .fd_out = -1,
        .fd_err = -1,
        .publish_pid = w->published,
        .apart = true,
        .entrance = w->entrance[1],
    };
}

static void waiting_let_in(const struct waiting *w) {
    char some[4096];
    assert_true(read(w->entrance[0], some, sizeof some) > 0);
}

static void waiting_close(struct waiting *w) {
    close(w->entrance[0]), close(w->entrance[1]);
    close(w->report[0]), close(w->report[1]);
    munmap(w->published, sizeof *w->published);
}

/* Whether the child was started without having been let in. If not, nobody waits any longer. */
static bool waiting_is_started(const struct waiting *w, pid_t parent) {
    if (poll(&(struct pollfd){ .fd = w->report[0], .events = POLLIN }, 1, DEADLINE_MS) == 1)
        return true;
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    waiting_let_in(w);
    return false;
}

/* In a process of its own: true if all of it held. */
static bool starts_one_apart(const struct waiting *w) {
    int status;
    pid_t pid;
    return hx_spawn(&w->spec, &pid) == 0 && *w->published == pid && getpgid(pid) == pid &&
           waitpid(pid, &status, WNOHANG) == 0 && write(w->report[1], "", 1) == 1 && waitpid(pid, &status, 0) == pid &&
           WIFEXITED(status) && WEXITSTATUS(status) == 7 && *w->published == pid;
}

static void apart_it_is_not_waited_for(void **s) {
    (void)s;
    int status;
    struct waiting w;
    waiting_open(&w, (const char *const[]){ "/bin/sh", "-c", "exit 7", NULL });
    w.spec.new_group = true;
    pid_t parent = fork();
    if (parent == 0)
        _exit(!starts_one_apart(&w));
    assert_true(waiting_is_started(&w, parent));
    waiting_let_in(&w);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(status, 0);
    waiting_close(&w);
}

/* No signal comes to one whose parent died before it asked for that. As a subreaper we get to see how it ended. */
static void it_is_not_started_for_a_parent_that_is_dead(void **s) {
    (void)s;
    int status;
    struct waiting w;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    waiting_open(&w, (const char *const[]){ "/bin/true", NULL });
    w.spec.death_signal = SIGKILL;
    pid_t parent = fork(), pid;
    if (parent == 0) {
        if (hx_spawn(&w.spec, &pid) != 0 || write(w.report[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_true(waiting_is_started(&w, parent));
    pid = *w.published;
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, &status, 0), parent);
    waiting_let_in(&w);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 127);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    waiting_close(&w);
}

static void apart_it_publishes_why_it_failed(void **s) {
    (void)s;
    pid_t pid;
    const char *argv[] = { "/does/not/exist", NULL };
    int32_t *published = mmap(NULL, sizeof *published, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct hx_spawn spec = { .fd_in = -1, .fd_out = -1, .fd_err = -1 };
    spec.argv = argv;
    spec.publish_pid = published;
    spec.apart = true;
    int executed;
    spec.ret_executed = &executed;
    char byte;
    for (int i = 0; i < 20; i++) {
        *published = 0;
        assert_int_equal(hx_spawn(&spec, &pid), 0);
        assert_int_equal(read(executed, &byte, 1), 0); /* by then */
        assert_int_equal(*published, -ENOENT);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(executed);
    }
    munmap(published, sizeof *published);
}

static bool is_executed(int fd) {
    return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

/* The pipe ends with its exec and not before; the program has none of it, whatever it keeps. */
static void apart_it_says_when_it_is_executed(void **s) {
    (void)s;
    struct waiting w;
    waiting_open(&w, (const char *const[]){ "/bin/sh", "-c", "ls /proc/self/fd >&3; read x", NULL });
    int executed, in[2], out[2], status;
    char listed[64] = "";
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    w.spec.ret_executed = &executed;
    w.spec.fd_in = in[0];
    w.spec.keep = &out[1];
    w.spec.keep_count = 1;
    pid_t pid;
    assert_int_equal(hx_spawn(&w.spec, &pid), 0);
    close(out[1]);
    assert_false(is_executed(executed)); /* it waits to be let in */
    waiting_let_in(&w);
    assert_int_equal(poll(&(struct pollfd){ .fd = executed, .events = POLLIN }, 1, DEADLINE_MS), 1);
    assert_int_equal(read(executed, listed, 1), 0);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0); /* while the program runs */
    assert_true(read(out[0], listed, sizeof listed - 1) > 0);
    assert_string_equal(listed, "0\n1\n2\n3\n4\n"); /* the last is ls's own */
    close(in[0]), close(in[1]), close(out[0]), close(executed);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    waiting_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apart_it_is_not_waited_for),
        cmocka_unit_test(it_is_not_started_for_a_parent_that_is_dead),
        cmocka_unit_test(apart_it_publishes_why_it_failed),
        cmocka_unit_test(apart_it_says_when_it_is_executed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
