#include "supervisor/leftovers.h"

#include "common/process.h"
#include "common/text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static pid_t start(const char *mark) {
    const char *const argv[] = { "/bin/sleep", "60", NULL };
    const char *const envp[] = { "A=b", mark, NULL };
    struct hx_spawn spec = {
        .argv = argv, .envp = envp, .fd_in = -1, .fd_out = -1, .fd_err = -1, .death_signal = SIGKILL
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

static void only_what_bears_the_mark_is_killed(void **state) {
    (void)state;
    char mark[64], other[64];
    snprintf(mark, sizeof mark, "HEIMDEX_FLEET=/tmp/leftovers-%d", (int)getpid());
    snprintf(other, sizeof other, "HEIMDEX_FLEET=/tmp/leftovers-%d0", (int)getpid());
    pid_t ours = start(mark), theirs = start(other);
    assert_int_equal(leftovers_kill(mark + strlen("HEIMDEX_FLEET=")), 1);
    assert_int_equal(how_it_ended(ours), SIGKILL);
    assert_int_equal(kill(theirs, 0), 0);
    kill(theirs, SIGTERM);
    assert_int_equal(how_it_ended(theirs), SIGTERM);
    assert_int_equal(leftovers_kill(mark + strlen("HEIMDEX_FLEET=")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(only_what_bears_the_mark_is_killed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
