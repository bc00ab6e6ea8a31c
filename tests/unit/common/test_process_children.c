#include "common/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t fork_pausing(void) {
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void end(pid_t pid) {
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int contains(const pid_t *pids, int n, pid_t pid) {
    int found = 0;
    for (int i = 0; i < n; i++)
        found += pids[i] == pid;
    return found;
}

static void lists_them(void **s) {
    (void)s;
    pid_t pids[10];
    assert_int_equal(hx_children(pids, 10), 0);
    pid_t a = fork_pausing(), b = fork_pausing();
    assert_int_equal(hx_children(pids, 10), 2);
    assert_int_equal(contains(pids, 2, a), 1);
    assert_int_equal(contains(pids, 2, b), 1);
    assert_int_equal(hx_children(pids, 1), 1);
    assert_int_equal(hx_children(pids, 0), 0);
    end(a);
    assert_int_equal(hx_children(pids, 10), 1);
    assert_int_equal(pids[0], b);
    end(b);
    assert_int_equal(hx_children(pids, 10), 0);
}

/* Grandchildren too, also when they have ended and nobody has waited for them. */
static void knows_whose_somebody_is(void **s) {
    (void)s;
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t child = fork(), grandchildren[2];
    if (child == 0) {
        grandchildren[0] = fork_pausing();
        grandchildren[1] = fork();
        if (grandchildren[1] == 0)
            _exit(0);
        siginfo_t info;
        waitid(P_PID, (id_t)grandchildren[1], &info, WEXITED | WNOWAIT);
        if (write(out[1], grandchildren, sizeof grandchildren) > 0)
            pause();
        _exit(1);
    }
    assert_int_equal(read(out[0], grandchildren, sizeof grandchildren), sizeof grandchildren);
    assert_int_equal(hx_child_above(child), child);
    assert_int_equal(hx_child_above(grandchildren[0]), child);
    assert_int_equal(hx_child_above(grandchildren[1]), child);
    assert_int_equal(hx_child_above(getpid()), 0);
    assert_int_equal(hx_child_above(getppid()), 0);
    assert_int_equal(hx_child_above(1), 0);
    assert_int_equal(hx_child_above(0), 0);
    assert_int_equal(hx_descends(grandchildren[0], getpid()), getpid());
    assert_int_equal(hx_descends(getpid(), getpid()), getpid());
    assert_int_equal(hx_descends(getppid(), getpid()), 0);
    kill(grandchildren[0], SIGKILL);
    end(child);
    assert_int_equal(hx_child_above(child), -ESRCH);
    assert_int_equal(hx_descends(child, getpid()), -ESRCH);
    close(out[0]);
    close(out[1]);
}

static void counts_tasks_of_a_tree(void **s) {
    (void)s;
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        for (int i = 0; i < 5; i++)
            if (fork() == 0) {
                if (fork() > 0 && write(out[1], "x", 1) == 1)
                    for (;;)
                        pause();
                for (;;)
                    pause();
            }
        for (;;)
            pause();
    }
    for (char x[5], got = 0; got < 5;)
        got = (char)(got + read(out[0], x, 1));
    assert_int_equal(hx_tasks(child, 100), 11);
    assert_int_equal(hx_tasks(child, 11), 11);
    assert_int_equal(hx_tasks(child, 10), 11);
    assert_int_equal(hx_tasks(child, 3), 4);
    assert_int_equal(hx_tasks(getpid(), 100), 12);
    kill(-child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(hx_tasks(child, 10), 0);
    close(out[0]);
    close(out[1]);
}

struct other {
    sem_t forked, done;
    pid_t pid;
};

static void *fork_elsewhere(void *user) {
    struct other *o = user;
    o->pid = fork_pausing();
    sem_post(&o->forked);
    sem_wait(&o->done);
    return NULL;
}

static void other_threads_children_too(void **s) {
    (void)s;
    struct other o;
    pthread_t thread;
    pid_t pids[10];
    sem_init(&o.forked, 0, 0);
    sem_init(&o.done, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, fork_elsewhere, &o), 0);
    while (sem_wait(&o.forked) != 0)
        ;
    assert_int_equal(hx_children(pids, 10), 1);
    assert_int_equal(pids[0], o.pid);
    sem_post(&o.done);
    pthread_join(thread, NULL);
    end(o.pid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_them),
        cmocka_unit_test(knows_whose_somebody_is),
        cmocka_unit_test(counts_tasks_of_a_tree),
        cmocka_unit_test(other_threads_children_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
