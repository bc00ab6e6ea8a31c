#include "worker/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct message m;
static char why[120];

static int parse(const char *line) {
    message_reset(&m);
    why[0] = '\0';
    return message_parse(line, strlen(line), &m, why, sizeof why);
}

static int end(void **state) {
    (void)state;
    message_reset(&m);
    return 0;
}

static void ordinary_lines_are_no_messages(void **state) {
    (void)state;
    const char *const lines[] = { "",
                                  "hello",
                                  "{",
                                  "{}",
                                  "{\"level\":\"info\",\"msg\":\"x\"}",
                                  "[1,2]",
                                  "\"stage\"",
                                  "stage: {",
                                  "{not json}",
                                  "{\"Stage\":\"a\"}",
                                  "   ",
                                  "{\"a\":{\"result\":1}}" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_int_equal(parse(lines[i]), 0);
}

static void stage_and_progress(void **state) {
    (void)state;
    assert_int_equal(parse("{\"stage\":\"extracting\",\"progress\":40}"), 1);
    assert_string_equal(m.stage, "extracting");
    assert_int_equal(m.progress, 40);
    assert_int_equal(parse("  {\"progress\":99.9, \"other\":[1]}\r"), 1);
    assert_null(m.stage);
    assert_int_equal(m.progress, 99);
    assert_int_equal(parse("{\"progress\":101}"), -EINVAL);
    assert_int_equal(parse("{\"progress\":-1}"), -EINVAL);
    assert_int_equal(parse("{\"progress\":\"40\"}"), -EINVAL);
    assert_int_equal(parse("{\"stage\":7}"), -EINVAL);
}

static void result_is_kept_as_compact_json(void **state) {
    (void)state;
    assert_int_equal(parse("{\"result\": {\"b\": 1, \"a\": [true, null]}}"), 1);
    assert_string_equal(m.result, "{\"b\":1,\"a\":[true,null]}");
    assert_int_equal(parse("{\"result\":null}"), 1);
    assert_string_equal(m.result, "null");
    assert_int_equal(parse("{\"r\\u0065sult\": {\"a\": 1}}"), 1); /* as some libraries write names */
    assert_string_equal(m.result, "{\"a\":1}");
}

static void a_nul_is_no_white_space(void **state) {
    (void)state;
    static const char line[] = "\0{\"result\":1}";
    assert_int_equal(message_parse(line, sizeof line - 1, &m, why, sizeof why), 0);
}

static void error_with_all_its_members(void **state) {
    (void)state;
    assert_int_equal(
        parse("{\"error\":{\"code\":\"gone\",\"message\":\"no such file\",\"retry\":false,\"retry_after\":\"30s\"}}"),
        1);
    assert_true(m.error);
    assert_string_equal(m.error_code, "gone");
    assert_string_equal(m.error_message, "no such file");
    assert_int_equal(m.retry, MESSAGE_RETRY_NO);
    assert_int_equal(m.retry_after_ms, 30000);
    assert_int_equal(parse("{\"error\":\"just words\"}"), 1);
    assert_string_equal(m.error_message, "just words");
    assert_int_equal(m.retry, MESSAGE_RETRY_UNSAID);
    assert_int_equal(parse("{\"error\":{\"retry\":\"yes\"}}"), -EBADMSG);
    assert_int_equal(parse("{\"error\":{\"retry_after\":30}}"), -EBADMSG);
    assert_int_equal(parse("{\"error\":{\"retry_after\":\"-5s\"}}"), -EBADMSG);
    assert_int_equal(parse("{\"error\":[]}"), -EBADMSG);
}

static void snooze_and_cancel(void **state) {
    (void)state;
    assert_int_equal(parse("{\"snooze\":\"5m\"}"), 1);
    assert_int_equal(m.snooze_ms, 300000);
    assert_int_equal(parse("{\"cancel\":\"not needed\"}"), 1);
    assert_string_equal(m.cancel, "not needed");
    assert_int_equal(parse("{\"snooze\":5}"), -EBADMSG);
    assert_int_equal(parse("{\"snooze\":\"soon\"}"), -EBADMSG);
    assert_int_equal(parse("{\"cancel\":true}"), -EBADMSG);
}

/* A result that the database couldn't hold, or that two readers would read differently, isn't dropped silently. */
static void a_result_that_cannot_be_kept_is_no_ordinary_line(void **state) {
    (void)state;
    assert_int_equal(parse("{\"result\":\"a\\u0000b\"}"), -EBADMSG);
    assert_true(strlen(why) > 0);
    assert_int_equal(parse("{\"result\":1,\"result\":2}"), -EBADMSG);
    assert_int_equal(parse("{\"result\":\"\xff\"}"), -EBADMSG);
    assert_int_equal(parse("{\"result\":1e999}"), -EBADMSG);
    assert_int_equal(parse("{\"stage\":\"a\\u0000b\"}"), -EINVAL);
    assert_int_equal(parse("{\"ok\":true, \"result\":1e999} \r"), -EBADMSG);
    assert_string_equal(why, "number out of range, at byte 21");
    assert_int_equal(parse("{ \"ok\":\"\xff\" , \"error\":\"x\"}"), -EBADMSG);
    assert_int_equal(parse("{\"r\\u0065sult\":NaN}"), -EBADMSG);
    assert_int_equal(parse("{\"ok\":{\"result\":NaN}}"), 0);
}

/* A line of over a megabyte was cut by whoever read it. */
static void a_result_without_its_end_is_too_long(void **state) {
    (void)state;
    enum { N = 1024 * 1024 };
    char *line = malloc(N);
    assert_non_null(line);
    const char *const starts[] = { "{\"result\":\"", "{\"stage\":\"a\",\"result\":[{\"" };
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        memset(line, 'x', N);
        memcpy(line, starts[i], strlen(starts[i]));
        message_reset(&m);
        assert_int_equal(message_parse(line, N, &m, why, sizeof why), -EBADMSG);
    }
    memset(line, '[', N);
    memcpy(line, "{\"a\":", 5);
    assert_int_equal(message_parse(line, N, &m, why, sizeof why), 0);
    free(line);
}

static void a_wrong_stage_takes_no_result_with_it(void **state) {
    (void)state;
    assert_int_equal(parse("{\"stage\":7,\"result\":1}"), -EINVAL);
    assert_string_equal(m.result, "1");
    assert_int_equal(parse("{\"progress\":101,\"stage\":\"a\",\"error\":{\"code\":\"b\"}}"), -EINVAL);
    assert_string_equal(m.stage, "a");
    assert_string_equal(m.error_code, "b");
    assert_int_equal(m.progress, -1);
}

static void no_pause_is_longer_than_a_hundred_years(void **state) {
    (void)state;
    assert_int_equal(parse("{\"snooze\":\"36500d\"}"), 1);
    assert_int_equal(parse("{\"snooze\":\"36501d\"}"), -EBADMSG);
    assert_int_equal(parse("{\"error\":{\"retry_after\":\"9999999d\"}}"), -EBADMSG);
}

static void what_only_looks_like_json_is_output(void **state) {
    (void)state;
    assert_int_equal(parse("{\"result\": {"), 0);
    assert_int_equal(parse("{\"result\":{\"x\":"), 0);
    assert_int_equal(parse("}}"), 0);
}

static void numbers_keep_every_digit(void **state) {
    (void)state;
    assert_int_equal(parse("{\"result\":{\"a\":18446744073709551615, \"b\":0.1234567890123456789012345}}"), 1);
    assert_string_equal(m.result, "{\"a\":18446744073709551615,\"b\":0.1234567890123456789012345}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(ordinary_lines_are_no_messages, end),
        cmocka_unit_test_teardown(stage_and_progress, end),
        cmocka_unit_test_teardown(result_is_kept_as_compact_json, end),
        cmocka_unit_test_teardown(a_nul_is_no_white_space, end),
        cmocka_unit_test_teardown(error_with_all_its_members, end),
        cmocka_unit_test_teardown(snooze_and_cancel, end),
        cmocka_unit_test_teardown(a_result_that_cannot_be_kept_is_no_ordinary_line, end),
        cmocka_unit_test_teardown(a_result_without_its_end_is_too_long, end),
        cmocka_unit_test_teardown(a_wrong_stage_takes_no_result_with_it, end),
        cmocka_unit_test_teardown(no_pause_is_longer_than_a_hundred_years, end),
        cmocka_unit_test_teardown(what_only_looks_like_json_is_output, end),
        cmocka_unit_test_teardown(numbers_keep_every_digit, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
