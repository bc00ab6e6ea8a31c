#include "supervisor/leftovers.h"

#include "common/mark.h"
#include "common/process.h"
#include "common/text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static pid_t start(const char *variable, uint64_t mark) {
    const char *const argv[] = { "/bin/sleep", "60", NULL };
    const char *const envp[] = { "A=b", variable, NULL };
    struct hx_spawn spec = {
        .argv = argv, .envp = envp, .fd_in = -1, .fd_out = -1, .fd_err = -1, .mark = mark, .death_signal = SIGKILL
    };
    pid_t pid;
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    return pid;
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
    pid_t ours = start(NULL, hx_mark_of_run(hx_mark_of_worker(hx_mark_of_fleet(socket), 4711), 42));
    pid_t theirs = start(NULL, hx_mark_of_run(hx_mark_of_worker(hx_mark_of_fleet(other), 4711), 42));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_named_is_killed),
        cmocka_unit_test(one_without_a_name_is_known_by_its_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
