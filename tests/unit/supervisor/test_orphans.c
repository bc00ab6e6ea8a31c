#include "supervisor/orphans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hx_loop *loop;
static struct deaths *deaths;
static pid_t known;
static int cleared;

static bool knows(pid_t pid, void *user) {
    (void)user;
    return pid == known;
}

static void on_clear(void *user) {
    (void)user;
    cleared++;
}

static pid_t sleeper(bool with_child) {
    pid_t pid = fork();
    if (pid == 0) {
        sigaction(SIGTERM, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
        if (with_child)
            fork();
        for (;;)
            pause();
    }
    return pid;
}

static void ends_strangers_only(void **s) {
    (void)s;
    pid_t inherited = sleeper(false);
    assert_int_equal(hx_loop_new(&loop), 0);
    deaths = deaths_new();
    struct orphans *o = orphans_new(loop, deaths, knows, on_clear, NULL);
    known = sleeper(false);
    pid_t orphan = sleeper(true);
    orphans_sweep(o);
    assert_true(orphans_sweeping(o));
    assert_int_equal(cleared, 0);
    while (cleared == 0)
        hx_loop_once(loop, 3000);
    assert_false(orphans_sweeping(o));
    assert_int_equal(kill(orphan, 0), -1);
    assert_int_equal(waitpid(known, NULL, WNOHANG), 0);
    assert_int_equal(waitpid(inherited, NULL, WNOHANG), 0);
    kill(known, SIGKILL);
    kill(inherited, SIGKILL);
    waitpid(known, NULL, 0);
    waitpid(inherited, NULL, 0);
    orphans_sweep(o); /* nothing to do: it is said all the same */
    while (cleared == 1)
        hx_loop_once(loop, 3000);
    assert_null(orphans_free(o));
    deaths_free(deaths);
    hx_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(ends_strangers_only) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
