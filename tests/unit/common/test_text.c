#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void appends_and_terminates(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_buf_append(&b, "ab\0c", 4);
    hx_buf_putc(&b, 'd');
    hx_buf_puts(&b, "");
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "ab\0cd", 6);
    hx_buf_append(&b, NULL, 0);
    assert_int_equal(b.len, 5);
}

static void grows_by_single_bytes(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf b = { 0 };
    for (int i = 0; i < 100000; i++) {
        hx_buf_putc(&b, (char)('a' + i % 26));
        assert_int_equal(b.data[b.len], '\0');
        assert_true(b.len < b.cap);
    }
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
}

static void prints_what_fits_and_what_does_not(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf b = { 0 };
    char expected[400];
    for (int width = 0; width < 300; width++) {
        hx_buf_clear(&b);
        hx_buf_puts(&b, "x");
        hx_buf_printf(&b, "%0*d", width, 7);
        snprintf(expected, sizeof(expected), "x%0*d", width, 7);
        assert_string_equal(b.data, expected);
        assert_int_equal(b.len, strlen(expected));
    }
    errno = ENOENT;
    _cleanup_free_ char *text = hx_printf("%s: %m", "file");
    assert_string_equal(text, "file: No such file or directory");
}

static void consumes_and_hands_over(void **s) {
    (void)s;
    struct hx_buf b = { 0 };
    hx_buf_consume(&b, 3);
    hx_buf_puts(&b, "first\nsecond");
    hx_buf_consume(&b, 6);
    assert_string_equal(b.data, "second");
    memcpy(hx_buf_reserve(&b, 1000), "!", 1);
    b.len++;
    char *text = hx_buf_take(&b);
    assert_int_equal(strncmp(text, "second!", 7), 0);
    assert_null(b.data);
    free(text);
    text = hx_buf_take(&b);
    assert_string_equal(text, "");
    free(text);
    hx_buf_puts(&b, "gone");
    hx_buf_consume(&b, 99);
    assert_string_equal(b.data, "");
    hx_buf_reset(&b);
    hx_buf_reset(&b);
}

static void json(const char *text, size_t n, const char *expected) {
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_buf_json_string(&b, text, n);
    assert_string_equal(b.data, expected);
}

static void escapes_json(void **s) {
    (void)s;
    json("", SIZE_MAX, "\"\"");
    json("plain", SIZE_MAX, "\"plain\"");
    json("plain", 2, "\"pl\"");
    json("a\"b\\c/", SIZE_MAX, "\"a\\\"b\\\\c/\"");
    json("\b\t\n\f\r\x01\x1f\x7f", SIZE_MAX, "\"\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f\"");
    json("a\0b", 3, "\"a\\u0000b\"");
    json("\xc2\x9b", SIZE_MAX, "\"\\u009b\"");
    json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", SIZE_MAX, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    json("x\xff\xc3", SIZE_MAX, "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
    json("\xed\xa0\x80!", SIZE_MAX, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!\"");
    json("\xe2\x82\xac", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""); /* cut within a character */
}

static void knows_utf8(void **s) {
    (void)s;
    static const char *const good[] = { "",
                                        "a",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf" };
    static const char *const bad[] = { "\x80",
                                       "\xbf",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xc2",
                                       "\xc2\x41",
                                       "\xe0\x9f\xbf",
                                       "\xe0\xa0",
                                       "\xed\xa0\x80",
                                       "\xed\xbf\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf0\x90\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xff",
                                       "ok\xfe",
                                       "\xe1\x80\xc0" };
    for (size_t i = 0; i < HX_ARRAY_LEN(good); i++)
        assert_true(hx_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < HX_ARRAY_LEN(bad); i++)
        assert_false(hx_utf8_valid(bad[i], strlen(bad[i])));
    assert_true(hx_utf8_valid("\0", 1));
}

static void copies_whole_characters(void **s) {
    (void)s;
    char out[8];
    hx_strcopy(out, sizeof(out), "1234567");
    assert_string_equal(out, "1234567");
    hx_strcopy(out, sizeof(out), "12345678");
    assert_string_equal(out, "1234567");
    hx_strcopy(out, sizeof(out), "12345\xe2\x82\xac");
    assert_string_equal(out, "12345");
    hx_strcopy(out, sizeof(out), "1234\xe2\x82\xac");
    assert_string_equal(out, "1234\xe2\x82\xac");
    hx_strcopy(out, sizeof(out), "\x80\x80\x80\x80\x80\x80\x80\x80\x80");
    assert_int_equal(strlen(out), 4);
    hx_strcopy(out, 1, "x");
    assert_string_equal(out, "");
    out[0] = '?';
    hx_strcopy(out, 0, "x");
    assert_int_equal(out[0], '?');
}

static void reads_hex_digits(void **s) {
    (void)s;
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    int digits = 0;
    for (int i = 0; i < 16; i++) {
        assert_int_equal(hx_hex_digit(lower[i]), i);
        assert_int_equal(hx_hex_digit(upper[i]), i);
    }
    for (int c = -128; c < 128; c++)
        digits += hx_hex_digit((char)c) >= 0;
    assert_int_equal(digits, 10 + 6 + 6); /* and nothing else is one */
}

static void measures_edits(void **s) {
    (void)s;
    assert_int_equal(hx_edit_distance("", ""), 0);
    assert_int_equal(hx_edit_distance("abc", ""), 3);
    assert_int_equal(hx_edit_distance("", "abc"), 3);
    assert_int_equal(hx_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(hx_edit_distance("worker.slots", "worker.slot"), 1);
    assert_int_equal(hx_edit_distance("same", "same"), 0);
    assert_int_equal(hx_edit_distance("ab", "ba"), 2);
}

static void compares_and_duplicates(void **s) {
    (void)s;
    assert_true(hx_streq(NULL, NULL));
    assert_false(hx_streq(NULL, ""));
    assert_false(hx_streq("", NULL));
    assert_true(hx_streq("a", "a"));
    assert_true(hx_startswith("abc", "ab"));
    assert_true(hx_startswith("abc", ""));
    assert_false(hx_startswith("ab", "abc"));
    _cleanup_free_ char *part = hx_strndup("abcdef", 3);
    assert_string_equal(part, "abc");
    _cleanup_free_ char *whole = hx_strndup("abc", 99);
    assert_string_equal(whole, "abc");
    _cleanup_free_ int *zeroed = hx_allocn(10, sizeof(int));
    for (int i = 0; i < 10; i++)
        assert_int_equal(zeroed[i], 0);
    _cleanup_free_ char *nothing = hx_alloc(0);
    assert_non_null(nothing);
    _cleanup_free_ char *taken = HX_TAKE(nothing);
    assert_null(nothing);
    assert_non_null(taken);
    assert_int_equal(HX_MIN(3, 2) + HX_MAX(3, 2), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_terminates),
        cmocka_unit_test(grows_by_single_bytes),
        cmocka_unit_test(prints_what_fits_and_what_does_not),
        cmocka_unit_test(consumes_and_hands_over),
        cmocka_unit_test(escapes_json),
        cmocka_unit_test(knows_utf8),
        cmocka_unit_test(copies_whole_characters),
        cmocka_unit_test(reads_hex_digits),
        cmocka_unit_test(measures_edits),
        cmocka_unit_test(compares_and_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
