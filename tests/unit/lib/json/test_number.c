#include "tests/unit/lib/json/samples.h"

static void numbers(void **s) {
    (void)s;
    static const struct sample samples[] = {
        { "0", NULL, 0 },
        { "-0", NULL, 0 },
        { "-12.50e+3", NULL, 0 },
        { "1E308", NULL, 0 },
        { "1e-400", NULL, 0 },
        { "0e300", NULL, 0 },
        { "9223372036854775808", NULL, 0 },
        { "1e-16383", NULL, 0 },
        { "01", "number that starts with 0", 0 },
        { "-01", "number that starts with 0", 0 },
        { "[1,-]", "'-' without a number", 3 },
        { "1.", "number without digits behind its point", 0 },
        { "1.e5", "number without digits behind its point", 0 },
        { "1e", "number without digits in its exponent", 2 },
        { "1e+", "number without digits in its exponent", 3 },
        { "+1", "'+' where a value is expected", 0 },
        { ".5", "'.' where a value is expected", 0 },
        { "0x10", "more text behind the value", 1 },
        { "1e400", "number out of range", 0 },
        { "-1e400", "number out of range", 0 },
        { "{\"a\":1e309}", "number out of range", 5 },
        { "1e-16384", "number out of range", 0 },
        { "1.5e-16383", "number out of range", 0 },
        { "1e99999999999999999999", "number out of range", 0 },
        { "0e99999999999999999999", "number out of range", 0 },
        { "1e-99999999999999999999", "number out of range", 0 },
    };
    check_samples(samples, HX_ARRAY_LEN(samples));
}

static void long_numbers(void **s) {
    (void)s;
    char digits[20002];
    memset(digits, '1', sizeof digits);
    check_bytes(digits, 309, NULL, 0);
    check_bytes(digits, 310, "number out of range", 0);
    check_bytes(digits, 20000, "number out of range", 0);
    digits[1] = '.';
    check_bytes(digits, 2 + 16383, NULL, 0);
    check_bytes(digits, 2 + 16384, "number out of range", 0);
}

static void values(void **s) {
    (void)s;
    _cleanup_json_ json_t *value =
        parse("[9223372036854775807, -9223372036854775808, 18446744073709551615, 1.0, 1e2, 0.1, "
              "-0.00000000000000000000000000000000000000000000000000000000000000000000001]");
    assert_true(json_integer_value(json_array_get(value, 0)) == INT64_MAX);
    assert_true(json_integer_value(json_array_get(value, 1)) == INT64_MIN);
    assert_true(json_real_value(json_array_get(value, 2)) == 18446744073709551615.0);
    assert_true(json_is_real(json_array_get(value, 3)));
    assert_true(json_real_value(json_array_get(value, 4)) == 100.0);
    assert_true(json_real_value(json_array_get(value, 5)) == 0.1);
    assert_true(json_real_value(json_array_get(value, 6)) == -1e-71);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(long_numbers),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
