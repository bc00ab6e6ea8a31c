#include "ctl/event.h"

#include "ctl/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void summary(const char *detail, const char *wanted) {
    _cleanup_json_ json_t *value = row_parse(detail);
    _cleanup_buf_ struct hx_buf out = { 0 };
    event_summary(value, &out);
    assert_string_equal(out.len ? out.data : "", wanted);
}

static void summaries(void **s) {
    (void)s;
    summary("null", "");
    summary("{}", "");
    summary("\"text\"", "text");
    summary("{\"stage\":\"extracting\",\"progress\":40}", "extracting 40%");
    summary("{\"progress\":40}", "40%");
    summary("{\"worker\":\"h/main/0\",\"attempt\":2}", "attempt 2, on h/main/0");
    summary("{\"error\":{\"code\":\"exit_1\",\"message\":\"no such file\",\"retry\":true},\"retry_in_ms\":4200}",
            "exit_1: no such file, again in 4s");
    summary("{\"error\":{\"message\":\"m\"}}", "error: m");
    summary("{\"error\":\"odd\"}", "odd");
    summary("{\"reason\":\"drain\",\"max_attempts\":6}", "drain, max_attempts 6");
    summary("{\"result\":{\"ok\":true},\"gone\":null}", "result {\"ok\":true}");
}

static void clips(void **s) {
    (void)s;
    char detail[600], xs[501];
    memset(xs, 'x', 500);
    xs[500] = 0;
    snprintf(detail, sizeof detail, "{\"result\":\"%s\"}", xs);
    _cleanup_json_ json_t *value = row_parse(detail);
    _cleanup_buf_ struct hx_buf out = { 0 };
    event_summary(value, &out);
    assert_in_range(out.len, 50, 200);
    assert_string_equal(out.data + out.len - 3, "...");
}

static void change(const char *event, const char *wanted) {
    _cleanup_json_ json_t *value = row_parse(event);
    _cleanup_buf_ struct hx_buf out = { 0 };
    event_change(value, &out);
    assert_string_equal(out.data, wanted);
}

static void changes(void **s) {
    (void)s;
    change("{\"prev_status\":null,\"next_status\":\"queued\"}", "queued");
    change("{\"prev_status\":\"queued\",\"next_status\":\"running\"}", "queued -> running");
    change("{\"prev_status\":\"running\",\"next_status\":\"running\"}", "running");
    change("{}", "?");
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(summaries), cmocka_unit_test(clips),
                                        cmocka_unit_test(changes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
