#include "tests/unit/lib/json/samples.h"

static void strings(void **s) {
    (void)s;
    static const struct sample samples[] = {
        { "\"\"", NULL, 0 },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", NULL, 0 },
        { "\"\\u0001\\u00e4\\u20AC\\ud83d\\uDE00\"", NULL, 0 },
        { "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", NULL, 0 },
        { "\"a", "string without its end", 0 },
        { " \"a\\\"", "string without its end", 1 },
        { "\"a\\", "string without its end", 2 },
        { "\"a\tb\"", "control character 0x09 in a string", 2 },
        { "\"\n\"", "control character 0x0a in a string", 1 },
        { "\"\\x41\"", "escape that JSON doesn't have", 1 },
        { "\"\\'\"", "escape that JSON doesn't have", 1 },
        { "\"\\u12\"", "\\u without four hex digits", 1 },
        { "\"\\u12g4\"", "\\u without four hex digits", 1 },
        { "\"\\u 123\"", "\\u without four hex digits", 1 },
        { "\"a\\u0000\"", "\\u0000 is not allowed", 2 },
        { "{\"\\u0000\":1}", "\\u0000 is not allowed", 2 },
        { "\"\\ud800\"", "\\ud800 is half a character", 1 },
        { "\"\\ud83dx\"", "\\ud83d is half a character", 1 },
        { "\"\\ud83d\\n\"", "\\ud83d is half a character", 1 },
        { "\"\\ud83d\\ud83d\"", "\\ud83d is half a character", 1 },
        { "\"\\ud83d\\u0041\"", "\\ud83d is half a character", 1 },
        { "\"\\ude00\"", "\\ude00 is half a character", 1 },
        { "\"\\ude00\\ud83d\"", "\\ude00 is half a character", 1 },
        { "\"\xff\"", "string that is not UTF-8", 1 },
        { "\"\xc3\"", "string that is not UTF-8", 1 },
        { "\"\xc0\xaf\"", "string that is not UTF-8", 1 },
        { "\"\xed\xa0\x80\"", "string that is not UTF-8", 1 },
        { "\"\xf4\x90\x80\x80\"", "string that is not UTF-8", 1 },
        { "{\"\xff\":1}", "string that is not UTF-8", 2 },
    };
    check_samples(samples, HX_ARRAY_LEN(samples));
    check_bytes("\"a\0b\"", 5, "control character 0x00 in a string", 2);
    check_bytes("\"\\\0\"", 4, "escape that JSON doesn't have", 1);
}

static void values(void **s) {
    (void)s;
    static const struct {
        const char *text, *value;
    } samples[] = {
        { "\"plain\"", "plain" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"x\\u00e4y\\u20acz\\ud83d\\ude00!\"", "x\xc3\xa4y\xe2\x82\xacz\xf0\x9f\x98\x80!" },
        { "\"\\u0001\\u007f\\u0080\\u07ff\\u0800\\uffff\\udbff\\udfff\"",
          "\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        _cleanup_json_ json_t *value = parse(samples[i].text);
        assert_string_equal(json_string_value(value), samples[i].value);
    }
    _cleanup_json_ json_t *members = parse("{\"\\u0061b\":\"x\\ty\",\"c\\n\":\"z\"}");
    assert_string_equal(json_string_value(json_object_get(members, "ab")), "x\ty");
    assert_string_equal(json_string_value(json_object_get(members, "c\n")), "z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
