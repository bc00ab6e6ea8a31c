#include "migrations/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static struct hx_statements statements;

static int split(const char *text, unsigned line) {
    unsigned error_line;
    const char *why;
    hx_statements_reset(&statements);
    return hx_split(text, strlen(text), line, &statements, &error_line, &why);
}

static void expect(size_t index, const char *sql, unsigned line) {
    assert_true(index < statements.count);
    assert_string_equal(statements.items[index].sql, sql);
    assert_int_equal(statements.items[index].line, line);
}

static int forget(void **s) {
    (void)s;
    hx_statements_reset(&statements);
    return 0;
}

static void semicolons_end_statements(void **s) {
    (void)s;
    assert_int_equal(split("select 1;\nselect\n 2 ; \n\n-- three\nselect 3", 10), 0);
    assert_int_equal(statements.count, 3);
    expect(0, "select 1", 10);
    expect(1, "select\n 2", 11);
    expect(2, "select 3", 15);
}

static void empty_statements_are_left_out(void **s) {
    (void)s;
    assert_int_equal(split(" ;; -- nothing;\n /* nothing; */ ;\n", 1), 0);
    assert_int_equal(statements.count, 0);
    assert_int_equal(split("", 1), 0);
    assert_int_equal(statements.count, 0);
}

static void quotes_and_comments_hide_semicolons(void **s) {
    (void)s;
    assert_int_equal(split("select ';', \";\", E'\\';', $$;$$, $a$ $$; $a$ -- ;\n /* ; /* ; */ ; */, 1;select 2", 1),
                     0);
    assert_int_equal(statements.count, 2);
    expect(1, "select 2", 2);
}

static void lines_count_within_quotes(void **s) {
    (void)s;
    assert_int_equal(split("do $$\nbegin\nend\n$$;\nselect '\n\n';select 3", 1), 0);
    expect(0, "do $$\nbegin\nend\n$$", 1);
    expect(1, "select '\n\n'", 5);
    expect(2, "select 3", 7);
}

static void parentheses_hold_statements_together(void **s) {
    (void)s;
    assert_int_equal(split("create rule r as on insert to t do (select 1; select 2); select 3", 1), 0);
    assert_int_equal(statements.count, 2);
    expect(1, "select 3", 1);
}

static void sql_bodies_hold_statements_together(void **s) {
    (void)s;
    assert_int_equal(
        split("create function f() returns int begin atomic select 1; select case when true then 2 end; end; select 3",
              1),
        0);
    assert_int_equal(statements.count, 2);
    expect(1, "select 3", 1);
    /* A column may be called so. */
    assert_int_equal(split("select \"begin\" atomic from t; select begin, atomic; select 3", 1), 0);
    assert_int_equal(statements.count, 3);
}

static void what_is_open_is_told_with_its_line(void **s) {
    (void)s;
    unsigned line;
    const char *why;
    const char *quote = "select 1;\nselect 'a;\n", *comment = "/* a\n\n";
    assert_int_equal(hx_split(quote, strlen(quote), 5, &statements, &line, &why), -EINVAL);
    assert_int_equal(line, 6);
    assert_string_equal(why, "this quote is never closed");
    assert_int_equal(hx_split(comment, strlen(comment), 5, &statements, &line, &why), -EINVAL);
    assert_int_equal(line, 5);
    assert_string_equal(why, "this comment is never closed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(semicolons_end_statements),
        cmocka_unit_test(empty_statements_are_left_out),
        cmocka_unit_test(quotes_and_comments_hide_semicolons),
        cmocka_unit_test(lines_count_within_quotes),
        cmocka_unit_test(parentheses_hold_statements_together),
        cmocka_unit_test(sql_bodies_hold_statements_together),
        cmocka_unit_test(what_is_open_is_told_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
