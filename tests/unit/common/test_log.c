/* What a line says, in each of its forms. */
#include "tests/unit/common/log_lines.h"

#include "common/redact.h"

#include <errno.h>

static void json_has_all_fields(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.job_id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    ctx.job_type = "thumb\"nail";
    ctx.attempt = 0;
    ctx.fence = 3;
    ctx.offset = INT64_C(9007199254740993);
    ctx.event = "job.succeeded";
    ctx.detail_json = "\"config\":{\"a\":[1,2],\n\"b\":\"c\"}";
    hx_info(&ctx, "done in %d ms", 12);
    _cleanup_free_ char *line = written(*state);
    is_one_object(line);
    assert_int_equal(strncmp(line, "{\"ts\":\"2", 8), 0);
    assert_string_equal(strchr(line, ','),
                        ",\"service\":\"heimdex-test\",\"env\":\"test\",\"level\":\"info\",\"event\":\"job.succeeded\","
                        "\"message\":\"done in 12 ms\",\"job_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\","
                        "\"job_type\":\"thumb\\\"nail\",\"attempt\":0,\"fence\":3,\"offset\":9007199254740993,"
                        "\"config\":{\"a\":[1,2], \"b\":\"c\"}}\n");
}

static void json_without_context(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    hx_warning(NULL, "careful");
    _cleanup_free_ char *line = written(*state);
    is_one_object(line);
    assert_non_null(strstr(line, "\"level\":\"warning\",\"event\":\"log\",\"message\":\"careful\"}\n"));
}

static void text_has_the_brief_detail(void **state) {
    static const enum hx_log_format formats[] = { HX_LOG_TEXT, HX_LOG_JSON };
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.worker = "w";
    ctx.detail_json = "\"config\":{\"a\":1}";
    ctx.detail_text = "a=1\nb=2";
    for (size_t i = 0; i < 2; i++) {
        init(formats[i], HX_LOG_INFO);
        hx_info(&ctx, "starting");
        _cleanup_free_ char *line = written(*state);
        assert_int_equal(strstr(line, " heimdex-test: starting worker=w a=1\\nb=2\n") != NULL, i == 0);
        assert_int_equal(strstr(line, "config") != NULL, i == 1);
        assert_int_equal(strstr(line, "b=2") != NULL, i == 0);
    }
}

static void hostile_text_stays_one_line(void **state) {
    static const char hostile[] = "a\nb\r\t\x1b[31m\x01 \"quoted\\\" \xff\xc3( \xc2\x9b \x7f \xe2\x82\xac\n\n";
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.worker = hostile;
    init(HX_LOG_JSON, HX_LOG_INFO);
    hx_info(&ctx, "%s", hostile);
    _cleanup_free_ char *json = written(*state);
    is_one_object(json);
    init(HX_LOG_TEXT, HX_LOG_INFO);
    hx_info(&ctx, "%s", hostile);
    _cleanup_free_ char *text = written(*state);
    assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
    assert_null(strpbrk(text, "\x1b\x01\x7f\r\t"));
    assert_non_null(
        strstr(text, "a\\nb\\r\\t\\x1b[31m\\x01 \"quoted\\\" \xef\xbf\xbd\xef\xbf\xbd( \\x9b \\x7f \xe2\x82\xac"));
    assert_true(hx_utf8_valid(text, strlen(text)));
}

static void secrets_stay_out(void **state) {
    hx_redact_secret("s3cr3t-value");
    static const enum hx_log_format formats[] = { HX_LOG_JSON, HX_LOG_TEXT };
    for (size_t i = 0; i < 2; i++) {
        init(formats[i], HX_LOG_INFO);
        hx_error(NULL, "can't reach redis://u:pw@h with s3cr3t-value, password=%s", "hunter2");
        _cleanup_free_ char *line = written(*state);
        assert_non_null(strstr(line, "can't reach redis://***@h with ***, password=***"));
    }
    hx_complain("url: %s: no", "redis://u:pw@h");
    _cleanup_free_ char *line = written(*state);
    assert_string_equal(line, "heimdex-test: url: redis://***@h: no\n");
}

static void levels(void **state) {
    init(HX_LOG_TEXT, HX_LOG_NOTICE);
    assert_true(hx_log_enabled(HX_LOG_NOTICE));
    assert_false(hx_log_enabled(HX_LOG_INFO));
    hx_info(NULL, "not this");
    hx_debug(NULL, "nor this");
    hx_notice(NULL, "but this");
    _cleanup_free_ char *line = written(*state);
    assert_null(strstr(line, "this "));
    assert_non_null(strstr(line, " notice  heimdex-test: but this\n"));
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
}

static void auto_is_json_in_a_pipe(void **state) {
    init(HX_LOG_AUTO, HX_LOG_INFO);
    hx_info(NULL, "x");
    _cleanup_free_ char *line = written(*state);
    is_one_object(line);
}

static void errno_stays(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    errno = ENOENT;
    hx_info(NULL, "%m");
    assert_int_equal(errno, ENOENT);
    hx_complain("%m");
    assert_int_equal(errno, ENOENT);
    _cleanup_free_ char *line = written(*state);
    assert_non_null(strstr(line, "\"No such file or directory\"}\n"));
    assert_non_null(strstr(line, "heimdex-test: No such file or directory\n"));
}

static void knows_its_own_lines(void **state) {
    static const enum hx_log_format formats[] = { HX_LOG_JSON, HX_LOG_TEXT };
    static const enum hx_log_level levels[] = { HX_LOG_ERR, HX_LOG_WARNING, HX_LOG_NOTICE, HX_LOG_INFO, HX_LOG_DEBUG };
    for (size_t i = 0; i < HX_ARRAY_LEN(formats) * HX_ARRAY_LEN(levels); i++) {
        init(formats[i % 2], HX_LOG_DEBUG);
        hx_log(levels[i / 2], NULL, "a line");
        _cleanup_free_ char *line = written(*state);
        assert_true(hx_log_wrote(line, strlen(line)));
        assert_true(hx_log_wrote(line, 40)); /* torn */
    }
    static const char *const others[] = {
        "",
        "{",
        "free(): invalid pointer",
        "==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
        "{\"ts\":\"yesterday\",\"service\":\"x\"}",
        "{\"result\":1}",
        "2026-11-21T11:01:26.648Z",
        "2026-11-21T11:01:26.648Z fine    x: y",
        "2026-11-21 11:01:26.648Z info    x: y",
        "heimdex-worker: --slot: x: not a valid value",
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++)
        assert_false(hx_log_wrote(others[i], strlen(others[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(json_has_all_fields),         TEST(json_without_context), TEST(text_has_the_brief_detail),
        TEST(hostile_text_stays_one_line), TEST(secrets_stay_out),     TEST(levels),
        TEST(auto_is_json_in_a_pipe),      TEST(errno_stays),          TEST(knows_its_own_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
