/* A thread beside the loop takes none of the loop's signals. */
#include "common/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void *mask_of(void *user) {
    pthread_sigmask(SIG_BLOCK, NULL, user);
    return user;
}

static void its_signals_are_blocked_and_ours_as_before(void **state) {
    (void)state;
    sigset_t before, theirs, after;
    pthread_t thread;
    void *returned;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(hx_thread_new(mask_of, &theirs, &thread), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(pthread_join(thread, &returned), 0);
    assert_ptr_equal(returned, &theirs);
    static const int signals[] = { SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGALRM, SIGPIPE };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_int_equal(sigismember(&theirs, signals[i]), 1);
        assert_int_equal(sigismember(&after, signals[i]), sigismember(&before, signals[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(its_signals_are_blocked_and_ours_as_before) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
