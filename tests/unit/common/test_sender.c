#include "common/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, DEADLINE_MS = 10000 };

static struct {
    struct hx_sender sender;
    int seen;
} got;

/* As a service runs: not as root. */
static int become_user(void **state) {
    (void)state;
    memset(&got, 0, sizeof got);
    return geteuid() == 0 ? setresuid(NOBODY, NOBODY, 0) : 0;
}

static int become_root(void **state) {
    uid_t real, effective, saved;
    (void)state;
    return getresuid(&real, &effective, &saved) == 0 && saved == 0 ? setresuid(0, 0, 0) : 0;
}

static void on_signal(int signo, const struct hx_sender *sender, void *user) {
    (void)signo, (void)user;
    got.sender = *sender;
    got.seen++;
}

/* What the loop tells of a signal from a child that has ended by then, and of whom nothing is left. */
static struct hx_sender told_of(void (*send)(pid_t to)) {
    struct hx_loop *loop;
    assert_int_equal(hx_loop_new(&loop), 0);
    assert_int_equal(hx_loop_signal(loop, SIGTERM, on_signal, NULL), 0);
    pid_t us = getpid(), child = fork();
    if (child == 0) {
        send(us);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (int64_t end = hx_mono_ms() + DEADLINE_MS; !got.seen && hx_mono_ms() < end;)
        hx_loop_once(loop, DEADLINE_MS);
    hx_loop_free(loop);
    assert_int_equal(got.seen, 1);
    return got.sender;
}

static void plainly(pid_t to) {
    kill(to, SIGTERM);
}

static void as_systemd(pid_t to) {
    siginfo_t info = { .si_signo = SIGTERM, .si_code = SI_QUEUE };
    info.si_pid = 1;
    info.si_uid = 0;
    syscall(SYS_rt_sigqueueinfo, to, SIGTERM, &info);
}

/* `/bin/kill -TERM SUPERVISOR` in a handler: it is gone before anybody looks. */
static void one_that_is_gone_may_be_a_handler(void **state) {
    (void)state;
    struct hx_sender sender = told_of(plainly);
    assert_true(sender.certain);
    assert_int_equal(hx_sender_child(&sender), -ESRCH);
    assert_int_equal(hx_sender_kin(&sender), -ESRCH);
    assert_true(hx_sender_refused(&sender, SIGTERM, hx_sender_child(&sender)));
}

static void who_names_another_as_the_sender_may_be_a_handler(void **state) {
    (void)state;
    struct hx_sender sender = told_of(as_systemd);
    assert_int_equal(sender.pid, 1);
    assert_int_equal(sender.uid, 0);
    assert_false(sender.certain);
    assert_int_equal(hx_sender_child(&sender), -ESRCH);
    assert_int_equal(hx_sender_kin(&sender), -ESRCH);
}

static void other_users_are_operators(void **state) {
    (void)state;
    struct hx_sender sender = told_of(plainly);
    sender.uid = getuid() + 1;
    assert_int_equal(hx_sender_child(&sender), 0);
    assert_int_equal(hx_sender_kin(&sender), 0);
    assert_false(hx_sender_refused(&sender, SIGTERM, 0));
    sender = (struct hx_sender){ .pid = 0, .uid = getuid(), .certain = true }; /* from outside our pid namespace */
    assert_int_equal(hx_sender_child(&sender), 0);
    assert_int_equal(hx_sender_kin(&sender), 0);
}

static void as_root_one_that_is_gone_is_an_operator(void **state) {
    if (geteuid() != 0)
        skip();
    become_user(state); /* forgets what was got */
    become_root(state);
    struct hx_sender sender = told_of(plainly);
    assert_int_equal(hx_sender_child(&sender), 0);
    assert_int_equal(hx_sender_kin(&sender), 0);
}

static void who_lives_is_known(void **state) {
    (void)state;
    struct hx_sender sender = { .pid = getppid(), .uid = getuid(), .certain = true };
    assert_int_equal(hx_sender_child(&sender), 0);
    assert_int_equal(hx_sender_kin(&sender), 0);
    pid_t child = sender.pid = fork();
    if (child == 0)
        for (;;)
            pause();
    assert_int_equal(hx_sender_child(&sender), child);
    assert_int_equal(hx_sender_kin(&sender), child);

    /* A sibling's word is for a supervisor's child what a child's is. */
    pid_t sibling = fork();
    if (sibling == 0) {
        struct hx_sender parent = { .pid = getppid(), .uid = getuid(), .certain = true };
        _exit(hx_sender_child(&sender) != 0 || hx_sender_kin(&sender) != getppid() || hx_sender_kin(&parent) != 0);
    }
    int status;
    assert_int_equal(waitpid(sibling, &status, 0), sibling);
    assert_int_equal(status, 0);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_is_gone_may_be_a_handler, become_user, become_root),
        cmocka_unit_test_setup_teardown(who_names_another_as_the_sender_may_be_a_handler, become_user, become_root),
        cmocka_unit_test_setup_teardown(other_users_are_operators, become_user, become_root),
        cmocka_unit_test_setup_teardown(who_lives_is_known, become_user, become_root),
        cmocka_unit_test(as_root_one_that_is_gone_is_an_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
