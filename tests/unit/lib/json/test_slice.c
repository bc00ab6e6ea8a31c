#include "lib/json/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static char *member(const char *object, const char *name) {
    struct hx_slice s;
    if (!hx_slice_member(object, strlen(object), name, &s))
        return NULL;
    return hx_strndup(s.at, s.n);
}

static void check_member(const char *object, const char *name, const char *expected) {
    _cleanup_free_ char *found = member(object, name);
    if (!hx_streq(found, expected))
        fail_msg("%s of %s: %s", name, object, found ? found : "none");
}

static void members(void **state) {
    (void)state;
    const char *object =
        " { \"a\" : 1 , \"b\":{\"result\":2,\"x\":\"}\"},\"result\": [1, {\"y\": \"]\\\"\"}] , \"c\":null}";
    check_member(object, "a", "1");
    check_member(object, "b", "{\"result\":2,\"x\":\"}\"}");
    check_member(object, "result", "[1, {\"y\": \"]\\\"\"}]");
    check_member(object, "c", "null");
    check_member(object, "x", NULL);
    check_member("{\"\\u0061\":1,\"\\n\":2}", "a", "1");
    check_member("{\"\\u0061\":1,\"\\n\":2}", "\n", "2");
    check_member("{\"\\u00\":1}", "a", NULL);
    check_member("{}", "a", NULL);
    check_member("[1]", "a", NULL);
    check_member("", "a", NULL);
    check_member("{\"a\"", "a", NULL);
    check_member("{\"a\":", "a", NULL);
    check_member("{\"a\":1", "b", NULL);
}

/* Also of what is no JSON, as far as it can be followed. */
static void names_of_broken_text(void **state) {
    (void)state;
    static const struct {
        const char *text, *names;
    } samples[] = {
        { "{\"a\":1, \"b\" : nonsense ,\"c\":[1,", "a=1 b=nonsense c= " },
        { "{\"a\":\"\xff\",\"a\":\"cut", "a=\"\xff\" a= " },
        { "{\"a\":{\"x\":1}} \"b\":2", "a={\"x\":1} " },
        { "{\"a\":", "a= " },
        { "{\"a\"", "" },
        { "{a:1}", "" },
        { "{1:1,\"b\":2}", "" },
        { "[\"a\":1]", "" },
        { "{", "" },
        { "", "" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        _cleanup_buf_ struct hx_buf found = { 0 };
        struct hx_slice name, value;
        const char *at = samples[i].text, *end = at + strlen(at);
        hx_buf_puts(&found, "");
        while (hx_slice_next(&at, end, &name, &value))
            hx_buf_printf(&found, "%.*s=%.*s ", (int)name.n - 2, name.at + 1, (int)value.n, value.n ? value.at : "");
        assert_string_equal(found.data, samples[i].names);
    }
}

static bool is_name(const char *text, const char *name) {
    return hx_slice_is_name((struct hx_slice){ text, strlen(text) }, name);
}

static void names_with_escapes(void **state) {
    (void)state;
    assert_true(is_name("\"ab\"", "ab"));
    assert_true(is_name("\"\\u0061\\u0062\"", "ab"));
    assert_true(is_name("\"\\u006Ab\"", "jb"));
    assert_true(is_name("\"a\\/\"", "a/"));
    assert_true(is_name("\"\"", ""));
    const char *const others[] = { "\"a\"",         "\"abc\"",      "\"\"",         "\"\\u0161b\"", "\"\\u00e1b\"",
                                   "\"\\u006\"",    "\"\\u00",      "\"a\\\"",      "\"\\x61b\"",   "\"a\\u0062c\"",
                                   "\"a\\u0000b\"", "\"a\\u006g\"", "\"ab\\u0000\"" };
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++)
        assert_false(is_name(others[i], "ab"));
}

static void values(void **state) {
    (void)state;
    static const struct {
        const char *text, *value; /* value NULL: it doesn't end */
    } samples[] = {
        { "1,", "1" },
        { "  true}", "true" },
        { "\"a\\\"b\"c", "\"a\\\"b\"" },
        { "[[]]]", "[[]]" },
        { "{\"]\":1}", "{\"]\":1}" },
        { "\"abc", NULL },
        { "[1", NULL },
        { "\"\\", NULL },
        { "", NULL },
        { ",", NULL },
        { "[\"a", NULL },
        { "   ", NULL },
        { "}", NULL },
        { "-1.5e3 ", "-1.5e3" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        const char *at = samples[i].text;
        struct hx_slice s;
        bool found = hx_slice_value(&at, at + strlen(at), &s);
        assert_true(found == (samples[i].value != NULL));
        if (found) {
            assert_int_equal(s.n, strlen(samples[i].value));
            assert_memory_equal(s.at, samples[i].value, s.n);
            assert_ptr_equal(at, s.at + s.n);
        }
    }
}

static void compact(void **state) {
    (void)state;
    const char *text = " {\"a b\": [1,  2], \"c\" : \" \\\" \"} ";
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_slice_append_compact((struct hx_slice){ text, strlen(text) }, &out);
    assert_string_equal(out.data, "{\"a b\":[1,2],\"c\":\" \\\" \"}");
}

static void nulls(void **state) {
    (void)state;
    assert_true(hx_slice_is_null((struct hx_slice){ "null", 4 }));
    assert_false(hx_slice_is_null((struct hx_slice){ "nul", 3 }));
    assert_false(hx_slice_is_null((struct hx_slice){ "true", 4 }));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),
        cmocka_unit_test(names_of_broken_text),
        cmocka_unit_test(names_with_escapes),
        cmocka_unit_test(values),
        cmocka_unit_test(compact),
        cmocka_unit_test(nulls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
