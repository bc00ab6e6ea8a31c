#include "migrations/revision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "-- revision: abc\n-- down_revision: base1\n-- message: does it\n\n"

static struct hx_problems problems;

static struct hx_revision *parse(const char *text) {
    struct hx_revision *r = NULL;
    hx_problems_reset(&problems);
    int result = hx_revision_parse("dir/abc_words.sql", text, strlen(text), &r, &problems);
    assert_int_equal(result, r ? 0 : -EINVAL);
    assert_int_equal(problems.count, r ? 0 : 1);
    return r;
}

static void refuse(const char *text, const char *where, const char *why) {
    assert_null(parse(text));
    assert_string_equal(problems.items[0].what, "revision file");
    struct hx_buf found = { 0 };
    hx_problem_where(&problems.items[0], &found);
    assert_string_equal(found.data, where);
    hx_buf_reset(&found);
    if (!strstr(problems.items[0].why, why))
        fail_msg("%s: not \"%s\"", problems.items[0].why, why);
}

static int forget(void **s) {
    (void)s;
    hx_problems_reset(&problems);
    return 0;
}

static void whole_file(void **s) {
    (void)s;
    struct hx_revision *r = parse(HEADER "-- upgrade\ncreate table t();\nselect 1;\n\n-- downgrade\n\ndrop table t;\n");
    assert_string_equal(r->id, "abc");
    assert_string_equal(r->parent, "base1");
    assert_string_equal(r->message, "does it");
    assert_string_equal(r->path, "dir/abc_words.sql");
    assert_false(r->no_transaction);
    assert_true(r->has_downgrade);
    assert_int_equal(r->upgrade_line, 5);
    assert_int_equal(r->upgrade.count, 2);
    assert_string_equal(r->upgrade.items[0].sql, "create table t()");
    assert_int_equal(r->upgrade.items[0].line, 6);
    assert_int_equal(r->upgrade.items[1].line, 7);
    assert_int_equal(r->downgrade_line, 9);
    assert_int_equal(r->downgrade.count, 1);
    assert_int_equal(r->downgrade.items[0].line, 11);
    hx_revision_free(r);
}

static void shapes_that_are_accepted(void **s) {
    (void)s;
    /* a byte order mark, CRLF, a first revision, further comments, no way back */
    struct hx_revision *r = parse("\xEF\xBB\xBF-- by me\r\n--revision:abc\r\n-- down_revision: \r\n-- message:\r\n"
                                  "-- no-transaction\r\n--  upgrade \r\nselect 1;\r\n");
    assert_string_equal(r->id, "abc");
    assert_null(r->parent);
    assert_string_equal(r->message, "");
    assert_true(r->no_transaction);
    assert_false(r->has_downgrade);
    assert_int_equal(r->upgrade.count, 1);
    hx_revision_free(r);
    r = parse(HEADER "-- upgrade"); /* the end of the file right behind it */
    assert_int_equal(r->upgrade.count, 0);
    hx_revision_free(r);
    r = parse(HEADER "-- upgrade\n-- no-transaction\nvacuum;\n-- downgrade");
    assert_true(r->no_transaction && r->has_downgrade);
    hx_revision_free(r);
}

static void sections_begin_at_comments_only(void **s) {
    (void)s;
    struct hx_revision *r =
        parse(HEADER "-- upgrade\ndo $$\n-- downgrade\n$$;\nselect '\n-- downgrade\n'; -- downgrade\n"
                     "/*\n-- downgrade\n*/ select 3;\n-- downgrade\nselect 4;");
    assert_int_equal(r->upgrade.count, 3);
    assert_int_equal(r->downgrade.count, 1);
    assert_int_equal(r->downgrade.items[0].line, 16);
    hx_revision_free(r);
}

static void headers_that_are_refused(void **s) {
    (void)s;
    refuse("", "dir/abc_words.sql:1", "no `-- revision:`");
    refuse("select 1;\n", "dir/abc_words.sql:1", "no `-- revision:`");
    refuse("-- upgrade\nselect 1;\n", "dir/abc_words.sql:1", "no `-- revision:`");
    refuse("-- revision: abc\n-- message: m\n-- upgrade\n", "dir/abc_words.sql:1", "no `-- down_revision:`");
    refuse("-- revision: abc\n-- down_revision:\n-- upgrade\n", "dir/abc_words.sql:1", "no `-- message:`");
    refuse("-- revision: abc\n-- revision: abd\n", "dir/abc_words.sql:2", "a second");
    refuse(HEADER "-- message: m\n", "dir/abc_words.sql:5", "a second");
    refuse(HEADER "-- down_revision: m\n", "dir/abc_words.sql:5", "a second");
    refuse(HEADER "select 1;\n-- upgrade\n", "dir/abc_words.sql:5", "before the line");
    refuse(HEADER "-- downgrade\n-- upgrade\n", "dir/abc_words.sql:5", "stands before");
    refuse(HEADER, "dir/abc_words.sql:5", "no line `-- upgrade`");
}

static void ids_that_are_refused(void **s) {
    (void)s;
    refuse("-- revision:\n", "dir/abc_words.sql:1", "empty");
    refuse("-- revision: head\n", "dir/abc_words.sql:1", "means something else");
    refuse("-- revision: a:b\n", "dir/abc_words.sql:1", "made of letters");
    refuse("-- revision: a' or 1\n", "dir/abc_words.sql:1", "made of letters");
    refuse("-- revision: 123456789012345678901234567890123\n", "dir/abc_words.sql:1", "at most 32");
    refuse("-- revision: abc\n-- down_revision: a, b\n", "dir/abc_words.sql:2", "one parent");
}

static void sections_that_are_refused(void **s) {
    (void)s;
    refuse(HEADER "-- upgrade\n\nselect 'a;\n-- downgrade\n", "dir/abc_words.sql:7", "never closed");
    refuse(HEADER "-- upgrade\n-- downgrade\n/* a", "dir/abc_words.sql:7", "never closed");
    refuse(HEADER "-- upgrade\nbegin;\n", "dir/abc_words.sql:6", "one transaction");
    refuse(HEADER "-- no-transaction\n-- upgrade\ncommit;\n", "dir/abc_words.sql:7", "one transaction");
    refuse(HEADER "-- upgrade\n\nvacuum;\n", "dir/abc_words.sql:7", "`-- no-transaction`");
    refuse(HEADER "-- upgrade\n-- downgrade\n\ncopy t from stdin;\n", "dir/abc_words.sql:8", "COPY");
    refuse(HEADER "-- upgrade\n-- downgrade\n-- upgrade\n", "dir/abc_words.sql:7", "a second time");
    refuse(HEADER "-- upgrade\n-- downgrade\n-- downgrade\n", "dir/abc_words.sql:7", "a second time");
}

static void bytes_that_are_no_text(void **s) {
    (void)s;
    static const char zero[] = HEADER "-- upgrade\nselect '\0';\n";
    struct hx_revision *r = NULL;
    refuse(HEADER "-- upgrade\nselect '\xff';", "dir/abc_words.sql:1", "UTF-8");
    hx_problems_reset(&problems);
    assert_int_equal(hx_revision_parse("z.sql", zero, sizeof zero - 1, &r, &problems), -EINVAL);
    assert_null(r);
}

static void names(void **s) {
    (void)s;
    static const struct {
        const char *path;
        bool agrees;
    } cases[] = {
        { "abc.sql", true }, { "a/b/abc_more_words.sql", true }, { "abcd.sql", false }, { "a/abc/other.sql", false },
        { "ab.sql", false }, { "abc-words.sql", false },
    };
    struct hx_revision *r = parse(HEADER "-- upgrade\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        free(r->path);
        r->path = strdup(cases[i].path);
        if (hx_revision_name_agrees(r) != cases[i].agrees)
            fail_msg("%s", cases[i].path);
    }
    hx_revision_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file),
        cmocka_unit_test(shapes_that_are_accepted),
        cmocka_unit_test(sections_begin_at_comments_only),
        cmocka_unit_test(headers_that_are_refused),
        cmocka_unit_test(ids_that_are_refused),
        cmocka_unit_test(sections_that_are_refused),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
