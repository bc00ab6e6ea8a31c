/* What becomes a line, and where it goes. Its forms are test_log_format.c's. */
#include "tests/unit/common/log_lines.h"

#include "common/redact.h"

#include <errno.h>

static void json_without_context(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    hx_warning(NULL, "careful");
    _cleanup_free_ char *line = written(*state);
    is_one_object(line);
    assert_non_null(strstr(line, "\"level\":\"warning\",\"event\":\"log\",\"message\":\"careful\"}\n"));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(json_without_context),   TEST(secrets_stay_out), TEST(levels),
        TEST(auto_is_json_in_a_pipe), TEST(errno_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
