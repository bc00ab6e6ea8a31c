#include "ctl/row.h"

#include "lib/ledger/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void members(void **s) {
    (void)s;
    _cleanup_json_ json_t *row =
        row_parse("{\"a\":\"x\",\"n\":5,\"r\":2.5,\"t\":\"2026-11-21T07:29:48.000001Z\",\"z\":null,\"b\":true}");
    assert_string_equal(row_string(row, "a"), "x");
    assert_null(row_string(row, "n"));
    assert_null(row_string(row, "z"));
    assert_int_equal(row_int(row, "n"), 5);
    assert_int_equal(row_int(row, "r"), 2);
    assert_int_equal(row_int(row, "z"), 0);
    assert_true(row_number(row, "r") > 2.4);
    assert_true(row_bool(row, "b"));
    assert_false(row_bool(row, "a"));
    assert_int_equal(row_time(row, "t"), INT64_C(1795246188000001));
    assert_int_equal(row_time(row, "a"), HX_NO_TIME);
    assert_int_equal(row_time(row, "missing"), HX_NO_TIME);
}

static void tames_numbers(void **s) {
    (void)s;
    _cleanup_json_ json_t *row = row_parse("{\"id\":\"7\\\"8\",\"big\":-123456789012345678901234567890,\"small\":7,"
                                           "\"text\":\"123456789012345678901234567890\"}");
    assert_non_null(row);
    assert_string_equal(row_string(row, "id"), "7\"8");
    assert_string_equal(row_string(row, "big"), "-123456789012345678901234567890");
    assert_string_equal(row_string(row, "text"), "123456789012345678901234567890");
    assert_int_equal(row_int(row, "small"), 7);
    assert_null(row_parse("{\"broken\""));
    assert_null(row_parse(""));
}

static void clips(void **s) {
    (void)s;
    _cleanup_json_ json_t *row = row_parse("{\"u\":\"größe\",\"o\":{\"a\": [1, 2]}}");
    _cleanup_buf_ struct hx_buf out = { 0 };
    row_clip(&out, json_object_get(row, "u"), 3); /* not through the middle of a character */
    assert_string_equal(out.data, "gr...");
    hx_buf_clear(&out);
    row_clip(&out, json_object_get(row, "o"), 100);
    assert_string_equal(out.data, "{\"a\":[1,2]}");
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(members), cmocka_unit_test(tames_numbers),
                                        cmocka_unit_test(clips) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
