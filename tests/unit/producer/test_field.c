#include "producer/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"
#include "lib/json/json.h"

#include <string.h>

static void types(void **state) {
    (void)state;
    char hundred[102];
    memset(hundred, 'x', sizeof(hundred));
    hundred[100] = '\0';
    assert_null(field_type("thumbnail"));
    assert_null(field_type("a.b-c_d/e:1"));
    assert_null(field_type("größe"));
    assert_null(field_type(hundred));
    hundred[100] = 'x';
    hundred[101] = '\0';
    assert_non_null(field_type(hundred));
    hundred[98] = '\xc3'; /* 100 characters in 101 bytes */
    hundred[99] = '\xbc';
    assert_non_null(field_type(hundred));
    const char *bad[] = { "", " ", "a b", "a\tb", "a\n", "\x7f", "\xff", "\xc3", "\x01" };
    for (size_t i = 0; i < HX_ARRAY_LEN(bad); i++)
        assert_non_null(field_type(bad[i]));
}

static void labels(void **state) {
    (void)state;
    char text[257];
    memset(text, 'k', sizeof(text));
    text[256] = '\0';
    assert_non_null(field_label(text));
    text[255] = '\0';
    assert_null(field_label(text));
    _cleanup_buf_ struct hx_buf wide = { 0 };
    for (int i = 0; i < 255; i++)
        hx_buf_puts(&wide, i % 2 ? "ü" : "€");
    assert_null(field_label(wide.data));
    hx_buf_puts(&wide, "€");
    assert_non_null(field_label(wide.data));
    assert_non_null(field_label(""));
    assert_non_null(field_label("\xed\xa0\x80")); /* half a surrogate pair */
    assert_null(field_label("order 17: größe"));
}

static void numbers(void **state) {
    (void)state;
    int32_t n = 42;
    assert_null(field_priority("-2147483648", &n));
    assert_int_equal(n, INT32_MIN);
    assert_null(field_priority("2147483647", &n));
    assert_int_equal(n, INT32_MAX);
    const char *bad[] = { "2147483648", "-2147483649", "", "1.0", "1e3", "x", "99999999999999999999", " 1", "0x10" };
    for (size_t i = 0; i < HX_ARRAY_LEN(bad); i++) {
        assert_non_null(field_priority(bad[i], &n));
        assert_non_null(field_max_attempts(bad[i], &n));
    }
    assert_int_equal(n, INT32_MAX);
    assert_non_null(field_max_attempts("0", &n));
    assert_non_null(field_max_attempts("-1", &n));
    assert_non_null(field_max_attempts("1000001", &n));
    assert_null(field_max_attempts("1", &n));
    assert_int_equal(n, 1);
}

static void times(void **state) {
    (void)state;
    int64_t v = 42;
    assert_null(field_timeout("1ms", &v));
    assert_int_equal(v, 1);
    assert_null(field_timeout("365d", &v));
    assert_non_null(field_timeout("366d", &v));
    assert_non_null(field_timeout("0", &v));
    assert_non_null(field_timeout("5", &v));
    assert_null(field_delay("0", &v));
    assert_int_equal(v, 0);
    assert_non_null(field_delay("36501d", &v));
    assert_non_null(field_delay("-1s", &v));
    assert_null(field_run_at("1970-01-01T01:00:01+01:00", &v));
    assert_int_equal(v, 1000000);
    assert_non_null(field_run_at("2026-02-30T00:00:00Z", &v));
    assert_non_null(field_run_at("tomorrow", &v));
}

static void organisations(void **state) {
    (void)state;
    struct hx_uuid u;
    assert_null(field_org("01890a5d-ac96-774b-bcce-b302099a8057", &u));
    assert_int_equal(u.b[0], 1);
    assert_non_null(field_org("01890a5d-ac96-774b-bcce-b302099a805", &u));
    assert_non_null(field_org("", &u));
}

static void nested(char *out, size_t depth) {
    memset(out, '[', depth);
    memset(out + depth, ']', depth);
}

static void payloads(void **state) {
    (void)state;
    static const struct {
        const char *text, *why; /* why NULL: good */
    } samples[] = {
        { "{}", NULL },
        { "null", NULL },
        { "[1,2.5e3,\"x\"]", NULL },
        { "{\"a\":1,\"a\":2}", "duplicate key" },
        { "1e400", "out of range" },
        { "\"\\u0000\"", "\\u0000" },
        { "\"\xff\"", "UTF-8" },
        { "", "text ends" },
        { "{", "text ends" },
        { "{} x", "more text" },
        { "NaN", "a value" },
        { "{'a':1}", "member name" },
        { "\"0123456789012345678901234567890\"", "over the limit of 32 (jobs.max_payload)" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        char why[FIELD_WHY] = "";
        bool good = field_payload(samples[i].text, strlen(samples[i].text), 32, why);
        if (good != !samples[i].why || (samples[i].why && !strstr(why, samples[i].why)))
            fail_msg("%s: %s", samples[i].text, why);
    }
    char deep[2 * (HX_JSON_DEPTH + 1)], why[FIELD_WHY];
    nested(deep, HX_JSON_DEPTH);
    assert_true(field_payload(deep, (size_t)2 * HX_JSON_DEPTH, 1000, why));
    nested(deep, HX_JSON_DEPTH + 1);
    assert_false(field_payload(deep, sizeof(deep), 1000, why));
    assert_non_null(strstr(why, "deeper than 64"));
}

static void traceparents(void **state) {
    (void)state;
    assert_true(field_is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    const char *bad[] = {
        NULL,
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(bad); i++)
        assert_false(field_is_traceparent(bad[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),        cmocka_unit_test(labels),        cmocka_unit_test(numbers),
        cmocka_unit_test(times),        cmocka_unit_test(organisations), cmocka_unit_test(payloads),
        cmocka_unit_test(traceparents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
