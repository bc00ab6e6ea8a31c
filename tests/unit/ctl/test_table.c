#include "ctl/table.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const headers[] = { "NAME", ">N", "NOTE" };

static void fill(struct table *t) {
    table_init(t, headers, 3);
    table_put(t, PLAIN, "a");
    table_put(t, PLAIN, "%d", 5);
    table_put(t, PLAIN, "short");
    table_put(t, GOOD, "longer");
    table_put(t, PLAIN, "1234");
    table_put(t, PLAIN, " ");
}

static void aligns(void **s) {
    (void)s;
    _cleanup_table_ struct table t;
    _cleanup_buf_ struct hx_buf out = { 0 };
    fill(&t);
    table_render(&t, 2, false, &out);
    assert_string_equal(out.data, "  NAME       N  NOTE\n"
                                  "  a          5  short\n"
                                  "  longer  1234\n");
}

static void colors(void **s) {
    (void)s;
    _cleanup_table_ struct table t;
    _cleanup_buf_ struct hx_buf out = { 0 };
    fill(&t);
    table_render(&t, 0, true, &out);
    assert_non_null(strstr(out.data, "\033[1mNAME\033[0m  "));
    assert_non_null(strstr(out.data, "\n\033[32mlonger\033[0m  1234"));
}

static void counts_characters(void **s) {
    (void)s;
    _cleanup_table_ struct table t;
    _cleanup_buf_ struct hx_buf out = { 0 };
    table_init(&t, NULL, 2);
    table_put(&t, PLAIN, "größe");
    table_put(&t, PLAIN, "x");
    table_put(&t, PLAIN, "abcdef");
    table_put(&t, PLAIN, "%s", "");
    table_render(&t, 0, false, &out);
    assert_string_equal(out.data, "größe   x\nabcdef  -\n");
}

static void says_nothing_without_rows(void **s) {
    (void)s;
    _cleanup_table_ struct table t;
    _cleanup_buf_ struct hx_buf out = { 0 };
    table_init(&t, headers, 3);
    table_render(&t, 0, false, &out);
    assert_int_equal(out.len, 0);
}

static void escapes(void **s) {
    (void)s;
    static const char *const cases[][2] = {
        { "plain größe", "plain größe" }, { "a\nb", "a\\nb" }, { "a\tb", "a b" }, { "\033[31mred", "\\x1b[31mred" },
        { "\xc2\x9bm", "\\x9bm" },        { "\x7f", "\\x7f" }, { "\r", "\\x0d" }, { "\xc2\xa0", "\xc2\xa0" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        _cleanup_buf_ struct hx_buf out = { 0 };
        table_escape(&out, cases[i][0]);
        assert_string_equal(out.data, cases[i][1]);
    }
}

static void tints(void **s) {
    (void)s;
    assert_int_equal(table_status_tint("dead_letter"), BAD);
    assert_int_equal(table_status_tint("succeeded"), GOOD);
    assert_int_equal(table_status_tint("queued"), PLAIN);
    assert_int_equal(table_status_tint(NULL), PLAIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns),
        cmocka_unit_test(colors),
        cmocka_unit_test(counts_characters),
        cmocka_unit_test(says_nothing_without_rows),
        cmocka_unit_test(escapes),
        cmocka_unit_test(tints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
