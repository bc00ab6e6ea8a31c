/* The built-in handler. */
#include "tests/unit/worker/fixture.h"

#include <signal.h>
#include <sys/wait.h>

static struct run *claim_one(unsigned n, const char *payload, int32_t attempt) {
    announce(n, n, MOCK);
    jobs[n].payload = payload;
    jobs[n].attempt = attempt - 1;
    commit(send());
    return run_of(n);
}

static struct run *start(unsigned n, const char *payload) {
    return claim_one(n, payload, 1);
}

static void nothing_asked_is_a_plain_success(void **state) {
    (void)state;
    struct run *run = start(1, "{}");
    assert_true(run->ended && run->plain);
    assert_int_equal(run->message_count, 0);
    assert_true(start(2, "{\"other\":[1]}")->plain);
    assert_string_equal(worker.plain_detail,
                        "{\"attempt\":1,\"worker\":\"host/main/0\",\"result\":{\"ok\":true,\"stages\":4}}");
}

static void a_later_attempt_says_which(void **state) {
    (void)state;
    struct run *run = claim_one(1, "{}", 2);
    assert_false(run->plain);
    assert_int_equal(run->outcome.status, HX_SUCCEEDED);
    assert_string_equal(run->outcome.detail,
                        "{\"attempt\":2,\"worker\":\"host/main/0\",\"result\":{\"ok\":true,\"stages\":4}}");
}

static void fails_as_asked(void **state) {
    (void)state;
    struct run *run = start(1, "{\"fail\":\"error\"}");
    assert_int_equal(run->outcome.status, HX_FAILED);
    assert_string_equal(run->outcome.code, "mock_error");
    run = start(2, "{\"fail\":\"permanent\"}");
    assert_int_equal(run->outcome.status, HX_DEAD_LETTER);
    assert_string_equal(run->outcome.code, "mock_permanent");
    assert_int_equal(claim_one(3, "{\"fail\":\"error\",\"fail_attempts\":1}", 1)->outcome.status, HX_FAILED);
    assert_int_equal(claim_one(4, "{\"fail\":\"error\",\"fail_attempts\":1}", 2)->outcome.status, HX_SUCCEEDED);
}

static void a_bad_payload_fails_for_good(void **state) {
    (void)state;
    static const char *const payloads[] = { "[1]",
                                            "\"text\"",
                                            "{\"duration_ms\":-1}",
                                            "{\"duration_ms\":\"1\"}",
                                            "{\"fail_attempts\":-1}",
                                            "{\"fail\":1}",
                                            "{\"fail\":\"maybe\"}",
                                            "{\"a\":1" };
    for (unsigned i = 0; i < HX_ARRAY_LEN(payloads); i++) {
        struct run *run = start(1 + i, payloads[i]);
        assert_int_equal(run->outcome.status, HX_DEAD_LETTER);
        assert_string_equal(run->outcome.code, "bad_payload");
    }
}

static void walks_through_its_stages(void **state) {
    (void)state;
    struct run *run = start(1, "{\"duration_ms\":8}");
    assert_false(run->ended);
    PUMP(run->ended);
    assert_int_equal(run->outcome.status, HX_SUCCEEDED);
    static const char *const stages[] = { "extracting\",\"progress\":0", "transcribing\",\"progress\":25",
                                          "analyzing\",\"progress\":50", "indexing\",\"progress\":75",
                                          "indexing\",\"progress\":100" };
    assert_int_equal(run->message_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_non_null(strstr(run->messages[i], stages[i]));
    struct hx_pg_tx *tx = send();
    assert_int_equal(tx->v[4]->kind, PROGRESS);
    assert_int_equal(tx->v[5]->kind, RECEIPT);
    assert_int_equal(tx->v[6]->kind, SETTLE);
}

static void hangs_until_it_is_stopped(void **state) {
    (void)state;
    static const char hang[] = "{\"fail\":\"hang\"}";
    struct run *canceled = start(1, hang), *drained = start(2, hang), *late = start(3, hang);
    assert_int_equal(worker.builtin_running, 3);
    run_stop(canceled, STOP_CANCEL, "why");
    run_stop(drained, STOP_DRAIN, "drain");
    run_stop(late, STOP_TIMEOUT, "timeout");
    assert_int_equal(canceled->outcome.status, HX_CANCELED);
    assert_int_equal(drained->outcome.status, HX_QUEUED);
    assert_int_equal(drained->outcome.add_max_attempts, 1);
    assert_int_equal(late->outcome.status, HX_FAILED);
    assert_string_equal(late->outcome.code, "timeout");
    assert_int_equal(worker.builtin_running, 0);
}

static void stopped_between_stages_it_ends_once(void **state) {
    (void)state;
    struct run *run = start(1, "{\"duration_ms\":4}");
    run_stop(run, STOP_CANCEL, "why");
    assert_int_equal(worker.ended_count, 1);
    for (int i = 0; i < 5; i++)
        hx_loop_once(worker.loop, 2);
    assert_int_equal(worker.ended_count, 1);
    assert_int_equal(run->message_count, 1);
}

static void a_crash_takes_the_worker_down(void **state) {
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        start(1, "{\"fail\":\"crash\"}");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_asked_is_a_plain_success, begin, end),
        cmocka_unit_test_setup_teardown(a_later_attempt_says_which, begin, end),
        cmocka_unit_test_setup_teardown(fails_as_asked, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_payload_fails_for_good, begin, end),
        cmocka_unit_test_setup_teardown(walks_through_its_stages, begin, end),
        cmocka_unit_test_setup_teardown(hangs_until_it_is_stopped, begin, end),
        cmocka_unit_test_setup_teardown(stopped_between_stages_it_ends_once, begin, end),
        cmocka_unit_test_setup_teardown(a_crash_takes_the_worker_down, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
