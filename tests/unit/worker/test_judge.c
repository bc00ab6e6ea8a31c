/* What becomes of a job when its program ends, whatever it exited with and whatever it said. */
#include "tests/unit/worker/programs.h"

#include <signal.h>

static void exit_codes(void **state) {
    (void)state;
    static const int codes[] = { 1, 2, 63, 64, 65, 66, 67, 68, 69, 70, 71, 75, 76, 77, 78, 79, 127, 255 };
    for (size_t i = 0; i < HX_ARRAY_LEN(codes); i++) {
        int c = codes[i];
        bool permanent = (c >= 64 && c <= 67) || c == 70 || (c >= 76 && c <= 78);
        char script[16], code[16];
        snprintf(script, sizeof script, "exit %d", c);
        snprintf(code, sizeof code, "exit_%d", c);
        struct run *run = go(script);
        check(run, permanent ? HX_DEAD_LETTER : HX_FAILED, code);
        assert_int_equal(number_in(run, "exit_code"), c);
    }
    check(go("exit 0"), HX_SUCCEEDED, NULL);
}

static void attempts_used_up(void **state) {
    (void)state;
    next_max_attempts = 1;
    check(go("exit 1"), HX_DEAD_LETTER, "exit_1");
}

static void signals(void **state) {
    (void)state;
    struct run *run = go("kill -SEGV $$");
    check(run, HX_FAILED, "SIGSEGV");
    assert_int_equal(number_in(run, "signal"), SIGSEGV);
    check(go("kill -KILL $$"), HX_FAILED, "SIGKILL");
    /* dead, it said nothing that counts but why it failed */
    check(go("echo '{\"snooze\":\"5m\"}'; kill -KILL $$"), HX_FAILED, "SIGKILL");
    check(go("echo '{\"cancel\":\"no\"}'; kill -KILL $$"), HX_FAILED, "SIGKILL");
    check(go("echo '{\"result\":1}'; kill -KILL $$"), HX_FAILED, "SIGKILL");
    check(go("echo '{\"error\":{\"code\":\"mine\",\"retry\":false}}'; kill -KILL $$"), HX_DEAD_LETTER, "mine");
}

static void errors_of_its_own(void **state) {
    (void)state;
    struct run *run =
        go("echo '{\"error\":{\"code\":\"busy\",\"message\":\"later\",\"retry_after\":\"30s\"}}'; exit 1");
    check(run, HX_FAILED, "busy");
    assert_string_equal(run->outcome.message, "later");
    assert_int_equal(run->outcome.delay_ms, 30000);
    check(go("echo '{\"error\":{\"retry\":false}}'; exit 1"), HX_DEAD_LETTER, "exit_1");
    check(go("echo '{\"error\":{\"retry\":true}}'; exit 64"), HX_FAILED, "exit_64");
    /* exit 0 doesn't make it a success, nor does a result */
    check(go("echo '{\"error\":\"text\"}'"), HX_FAILED, "error");
    check(go("echo '{\"error\":{\"code\":\"a\"}}'; echo '{\"result\":1}'"), HX_FAILED, "a");
}

static void snooze_and_cancel(void **state) {
    (void)state;
    struct run *run = go("echo '{\"snooze\":\"5m\"}'");
    check(run, HX_QUEUED, NULL);
    assert_int_equal(run->outcome.delay_ms, 300000);
    assert_string_equal(run->outcome.reason, "snoozed");
    assert_int_equal(run->outcome.add_max_attempts, 1);
    run = go("echo '{\"cancel\":\"not wanted\"}'; exit 3");
    check(run, HX_CANCELED, "canceled");
    assert_string_equal(run->outcome.message, "not wanted");
    check(go("echo '{\"snooze\":\"5m\"}'; echo '{\"result\":1}'"), HX_QUEUED, NULL);
    check(go("echo '{\"cancel\":\"x\"}'; echo '{\"snooze\":\"5m\"}'"), HX_CANCELED, "canceled");
    check(go("echo '{\"snooze\":\"5m\"}'; echo '{\"error\":\"x\"}'; exit 1"), HX_QUEUED, NULL);
}

static void a_bad_message_fails_for_good(void **state) {
    (void)state;
    check(go("echo '{\"result\":\"\\u0000\"}'"), HX_DEAD_LETTER, "bad_message");
    check(go("echo '{\"result\":\"\\u0000\"}'; echo '{\"cancel\":\"x\"}'"), HX_DEAD_LETTER, "bad_message");
    struct run *run = go("printf '{\"result\":\"'; head -c 1100000 /dev/zero | tr '\\0' x; echo '\"}'");
    check(run, HX_DEAD_LETTER, "bad_message");
    assert_string_equal(run->outcome.message, "message: longer than 1 MiB");
    check_result(go("printf '{\"result\":\"'; head -c 1000000 /dev/zero | tr '\\0' x | head -c 3; echo '\"}'"),
                 "\"xxx\"");
}

/* The fleet's reason beats what the handler says. */
static void a_timeout_beats_its_messages(void **state) {
    (void)state;
    struct run *run = start_ready("trap 'echo \"{\\\"result\\\":1}\"; exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_TIMEOUT, "timeout");
    PUMP(run->ended);
    check(run, HX_FAILED, "timeout");
    assert_int_equal(number_in(run, "exit_code"), 0);
}

static void canceled_is_canceled_however_it_ends(void **state) {
    (void)state;
    struct run *run = start_ready("trap 'echo \"{\\\"result\\\":1}\"; exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_CANCEL, "operator");
    PUMP(run->ended);
    check(run, HX_CANCELED, "canceled");
    assert_string_equal(run->outcome.message, "operator");
}

static void drained_it_may_still_succeed(void **state) {
    (void)state;
    struct run *run = start_ready("trap 'echo \"{\\\"result\\\":1}\"; exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    check(run, HX_SUCCEEDED, NULL);
    run = start_ready("trap 'exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    check(run, HX_QUEUED, NULL); /* an exit 0 at TERM is rarely the work done */
    assert_int_equal(run->outcome.add_max_attempts, 1);
    run = start_ready(READY "exec sleep 60");
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    check(run, HX_QUEUED, NULL);
}

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        TEST(exit_codes),
        TEST(attempts_used_up),
        TEST(signals),
        TEST(errors_of_its_own),
        TEST(snooze_and_cancel),
        TEST(a_bad_message_fails_for_good),
        TEST(a_timeout_beats_its_messages),
        TEST(canceled_is_canceled_however_it_ends),
        TEST(drained_it_may_still_succeed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
