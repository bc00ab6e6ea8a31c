#include "worker/outcome.h"

#include "lib/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct worker worker = { .label = "host/main/0" };
static const struct handler handler = {
    .type = "t", .kind = HANDLER_EXEC, .backoff_base_ms = 1000, .backoff_max_ms = 60000
};
static struct run run;

static int begin(void **state) {
    (void)state;
    run = (struct run){ .worker = &worker, .handler = &handler, .attempt = 2, .max_attempts = 5, .fence = 7 };
    return 0;
}

static int end(void **state) {
    (void)state;
    free(run.code);
    free(run.text);
    free(run.detail);
    return 0;
}

/* Every detail is JSON that the database takes, and says which attempt it was and where. */
static json_t *detail(void) {
    json_t *parsed = NULL;
    struct hx_json_error error;
    assert_int_equal(hx_json_parse(run.outcome.detail, strlen(run.outcome.detail), &parsed, &error), 0);
    assert_int_equal(json_integer_value(json_object_get(parsed, "attempt")), 2);
    assert_string_equal(json_string_value(json_object_get(parsed, "worker")), "host/main/0");
    return parsed;
}

static void success_carries_the_result(void **state) {
    (void)state;
    outcome_success(&run, "{\"n\":1}");
    assert_int_equal(run.outcome.status, HX_SUCCEEDED);
    assert_int_equal(run.outcome.fence, 7);
    assert_null(run.outcome.code);
    _cleanup_json_ json_t *d = detail();
    assert_int_equal(json_integer_value(json_object_get(json_object_get(d, "result"), "n")), 1);
}

static void failure_waits_for_a_retry_while_attempts_are_left(void **state) {
    (void)state;
    int early = 0;
    for (int i = 0; i < 200; i++) {
        outcome_failure(&run, &(struct failure){ .code = "exit_1", .message = "no \"luck\"", .retry_after_ms = -1 });
        assert_int_equal(run.outcome.status, HX_FAILED);
        assert_in_range(run.outcome.delay_ms, 0, 2000); /* base * 2^(attempt-1) */
        early += run.outcome.delay_ms < 1000;
    }
    assert_in_range(early, 1, 199); /* full jitter: what failed together doesn't come back together */
    assert_string_equal(run.outcome.reason, "retry");
    assert_string_equal(run.outcome.code, "exit_1");
    assert_int_equal(run.outcome.add_attempt, 0);
    _cleanup_json_ json_t *d = detail();
    assert_string_equal(json_string_value(json_object_get(json_object_get(d, "error"), "message")), "no \"luck\"");
}

static void retry_after_beats_the_backoff(void **state) {
    (void)state;
    outcome_failure(&run, &(struct failure){ .code = "busy", .retry_after_ms = 123456 });
    assert_int_equal(run.outcome.delay_ms, 123456);
}

static void a_spent_budget_is_a_dead_letter(void **state) {
    (void)state;
    run.attempt = run.max_attempts = 2;
    outcome_failure(&run, &(struct failure){ .code = "exit_1", .retry = RETRY_YES, .retry_after_ms = -1 });
    assert_int_equal(run.outcome.status, HX_DEAD_LETTER);
    assert_null(run.outcome.reason);
    json_decref(detail());
}

static void a_permanent_error_is_a_dead_letter_at_once(void **state) {
    (void)state;
    outcome_failure(&run, &(struct failure){ .code = "bad", .retry = RETRY_NO, .members = "\"exit_code\":65" });
    assert_int_equal(run.outcome.status, HX_DEAD_LETTER);
    _cleanup_json_ json_t *d = detail();
    assert_int_equal(json_integer_value(json_object_get(d, "exit_code")), 65);
}

static void texts_are_cut_to_their_columns(void **state) {
    (void)state;
    char code[300];
    memset(code, 'c', sizeof code - 1);
    code[sizeof code - 1] = '\0';
    outcome_failure(&run, &(struct failure){ .code = code, .retry_after_ms = -1 });
    assert_int_equal(strlen(run.outcome.code), 100);
    outcome_failure(&run, &(struct failure){ .code = "", .retry_after_ms = -1 });
    assert_string_equal(run.outcome.code, "error");
}

static void queued_again_with_the_right_budget(void **state) {
    (void)state;
    outcome_snooze(&run, 5000);
    assert_int_equal(run.outcome.status, HX_QUEUED);
    assert_string_equal(run.outcome.reason, "snoozed");
    assert_int_equal(run.outcome.delay_ms, 5000);
    assert_int_equal(run.outcome.add_max_attempts, 1);
    outcome_cut_short(&run, "drain");
    assert_string_equal(run.outcome.reason, "released");
    assert_int_equal(run.outcome.add_max_attempts, 1);
    assert_int_equal(run.outcome.add_attempt, 0);
    outcome_released(&run, "drain");
    assert_int_equal(run.outcome.add_max_attempts, 0);
    assert_int_equal(run.outcome.add_attempt, -1);
    json_decref(detail());
}

static void canceled_says_why(void **state) {
    (void)state;
    outcome_canceled(&run, "by ops");
    assert_int_equal(run.outcome.status, HX_CANCELED);
    assert_string_equal(run.outcome.code, "canceled");
    assert_string_equal(run.outcome.message, "by ops");
    json_decref(detail());
}

/* The value that the database refused must not be sent again. */
static void unwritable_drops_what_the_handler_said(void **state) {
    (void)state;
    outcome_success(&run, "{\"poison\":1}");
    outcome_unwritable(&run, "22P05", "unsupported Unicode escape sequence");
    assert_int_equal(run.outcome.status, HX_DEAD_LETTER);
    assert_string_equal(run.outcome.code, "22P05");
    assert_null(strstr(run.outcome.detail, "poison"));
    json_decref(detail());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(success_carries_the_result, begin, end),
        cmocka_unit_test_setup_teardown(failure_waits_for_a_retry_while_attempts_are_left, begin, end),
        cmocka_unit_test_setup_teardown(retry_after_beats_the_backoff, begin, end),
        cmocka_unit_test_setup_teardown(a_spent_budget_is_a_dead_letter, begin, end),
        cmocka_unit_test_setup_teardown(a_permanent_error_is_a_dead_letter_at_once, begin, end),
        cmocka_unit_test_setup_teardown(texts_are_cut_to_their_columns, begin, end),
        cmocka_unit_test_setup_teardown(queued_again_with_the_right_budget, begin, end),
        cmocka_unit_test_setup_teardown(canceled_says_why, begin, end),
        cmocka_unit_test_setup_teardown(unwritable_drops_what_the_handler_said, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
