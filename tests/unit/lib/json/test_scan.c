#include "tests/unit/lib/json/samples.h"

#include "lib/json/scan.h"

static void values(void **s) {
    (void)s;
    static const struct sample samples[] = {
        { "null", NULL, 0 },
        { " true\r\n\t", NULL, 0 },
        { "false", NULL, 0 },
        { "\"text\"", NULL, 0 },
        { "[]", NULL, 0 },
        { "[ ]", NULL, 0 },
        { "{}", NULL, 0 },
        { "[1, [2, {\"a\": [], \"b\": {}}], null]", NULL, 0 },
        { "{\"a\":{\"a\":{\"a\":1}}}", NULL, 0 },
        { "", "text ends where a value is expected", 0 },
        { "  ", "text ends where a value is expected", 2 },
        { "nul", "'n' where a value is expected", 0 },
        { "True", "'T' where a value is expected", 0 },
        { "NaN", "'N' where a value is expected", 0 },
        { "[1,]", "']' where a value is expected", 3 },
        { "[1 2]", "'2' where ',' or ']' is expected", 3 },
        { "[1", "text ends where ',' or ']' is expected", 2 },
        { "{\"a\":1,}", "'}' where a member name is expected", 7 },
        { "{a:1}", "'a' where a member name is expected", 1 },
        { "{\"a\" 1}", "'1' where ':' is expected", 5 },
        { "{\"a\":}", "'}' where a value is expected", 5 },
        { "{\"a\":1", "text ends where ',' or '}' is expected", 6 },
        { "1 2", "more text behind the value", 2 },
        { "{} {}", "more text behind the value", 3 },
        { "nullx", "more text behind the value", 4 },
        { "// c\n1", "'/' where a value is expected", 0 },
        { "\xef\xbb\xbf{}", "byte 0xef where a value is expected", 0 },
        { "'a'", "''' where a value is expected", 0 },
    };
    check_samples(samples, HX_ARRAY_LEN(samples));
    check_bytes("1\0", 2, "more text behind the value", 1);
}

static void nest(unsigned depth, const char *open, const char *close, const char *message, size_t position) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    for (unsigned i = 0; i < depth; i++)
        hx_buf_puts(&text, open);
    hx_buf_puts(&text, "1");
    for (unsigned i = 0; i < depth; i++)
        hx_buf_puts(&text, close);
    check_bytes(text.data, text.len, message, position);
}

static void depth(void **s) {
    (void)s;
    nest(HX_JSON_DEPTH, "[", "]", NULL, 0);
    nest(HX_JSON_DEPTH + 1, "[", "]", "nesting deeper than 64", HX_JSON_DEPTH);
    nest(HX_JSON_DEPTH, "{\"a\":", "}", NULL, 0);
    nest(100000, "{\"a\":", "}", "nesting deeper than 64", (size_t)HX_JSON_DEPTH * 5);
    /* Brothers don't add up. */
    _cleanup_buf_ struct hx_buf text = { 0 };
    for (unsigned i = 0; i < 1000; i++)
        hx_buf_puts(&text, i ? ",[{}]" : "[[{}]");
    hx_buf_puts(&text, "]");
    check_bytes(text.data, text.len, NULL, 0);
}

static void tree(void **s) {
    (void)s;
    _cleanup_json_ json_t *value = parse("{\"z\": [1, 2.5, \"x\", true, false, null], \"a\": {\"b\": {}}}");
    _cleanup_free_ char *text = hx_json_dump(value);
    assert_string_equal(text, "{\"z\":[1,2.5,\"x\",true,false,null],\"a\":{\"b\":{}}}");
}

static void nothing_but_n_bytes(void **s) {
    (void)s;
    check_bytes("123456", 3, NULL, 0);
    check_bytes("[1]]]", 3, NULL, 0);
    check_bytes("true", 3, "'t' where a value is expected", 0);
    check_bytes("\"abc\"", 4, "string without its end", 0);
    assert_int_equal(hx_json_check("x", 1, NULL), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(depth),
        cmocka_unit_test(tree),
        cmocka_unit_test(nothing_but_n_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
