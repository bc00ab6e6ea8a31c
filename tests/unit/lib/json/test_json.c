#include "tests/unit/lib/json/samples.h"

static void members(void **s) {
    (void)s;
    _cleanup_json_ json_t *object = parse("{\"s\":\"x\",\"i\":5,\"r\":5.0,\"t\":true,\"f\":false,\"n\":null}");
    const char *text = "untouched";
    json_int_t number = 42;
    bool flag = true;
    assert_int_equal(hx_json_get_string(object, "absent", &text), 0);
    assert_int_equal(hx_json_get_string(object, "i", &text), -EINVAL);
    assert_int_equal(hx_json_get_string(object, "n", &text), -EINVAL);
    assert_string_equal(text, "untouched");
    assert_int_equal(hx_json_get_string(object, "s", &text), 1);
    assert_string_equal(text, "x");
    assert_int_equal(hx_json_get_int(object, "absent", &number), 0);
    assert_int_equal(hx_json_get_int(object, "s", &number), -EINVAL);
    assert_int_equal(hx_json_get_int(object, "r", &number), -EINVAL);
    assert_int_equal(number, 42);
    assert_int_equal(hx_json_get_int(object, "i", &number), 1);
    assert_int_equal(number, 5);
    assert_int_equal(hx_json_get_bool(object, "absent", &flag), 0);
    assert_int_equal(hx_json_get_bool(object, "i", &flag), -EINVAL);
    assert_true(flag);
    assert_int_equal(hx_json_get_bool(object, "f", &flag), 1);
    assert_false(flag);
    assert_int_equal(hx_json_get_bool(object, "t", &flag), 1);
    assert_true(flag);
    _cleanup_json_ json_t *array = parse("[1]");
    assert_int_equal(hx_json_get_int(array, "i", &number), 0);
}

static void untouched_on_failure(void **s) {
    (void)s;
    json_t *value = NULL;
    struct hx_json_error e;
    assert_int_equal(hx_json_parse("[{\"a\":[1,2,tru]}]", 17, &value, &e), -EINVAL);
    assert_null(value);
    assert_int_equal(hx_json_parse("[1] x", 5, &value, &e), -EINVAL);
    assert_null(value);
}

static void dumps(void **s) {
    (void)s;
    static const char *const texts[] = { "null", "\"a\\n\\\"\"", "[1,2.5,{}]", "{\"b\":1,\"a\":[]}", "12" };
    for (size_t i = 0; i < HX_ARRAY_LEN(texts); i++) {
        _cleanup_json_ json_t *value = parse(texts[i]);
        _cleanup_free_ char *text = hx_json_dump(value);
        assert_string_equal(text, texts[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),
        cmocka_unit_test(untouched_on_failure),
        cmocka_unit_test(dumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
