#include "supervisor/orphans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
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

static _Noreturn void sleep_on(void) {
    for (;;)
        pause();
}

/* *ret_child: the sleeper's own child, which is there on return; ret_child NULL: it has none. */
static pid_t sleeper(pid_t *ret_child) {
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        sigaction(SIGTERM, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
        pid_t child = ret_child ? fork() : 0;
        if (child > 0 && write(told[1], &child, sizeof(child)) != sizeof(child))
            _exit(1);
        sleep_on();
    }
    if (ret_child)
        assert_int_equal(read(told[0], ret_child, sizeof(*ret_child)), sizeof(*ret_child));
    close(told[0]);
    close(told[1]);
    return pid;
}

static void ends_strangers_only(void **s) {
    (void)s;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L),
                     0); /* as the supervisor is: an orphan's child comes to it */
    pid_t inherited = sleeper(NULL), orphans_child;
    assert_int_equal(hx_loop_new(&loop), 0);
    deaths = deaths_new(NULL);
    struct orphans *o = orphans_new(loop, deaths, knows, on_clear, NULL);
    known = sleeper(NULL);
    pid_t orphan = sleeper(&orphans_child);
    orphans_sweep(o);
    assert_true(orphans_sweeping(o));
    assert_int_equal(cleared, 0);
    while (cleared == 0)
        hx_loop_once(loop, 3000);
    assert_false(orphans_sweeping(o));
    assert_int_equal(kill(orphan, 0), -1);
    assert_int_equal(kill(orphans_child, 0), -1);
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
