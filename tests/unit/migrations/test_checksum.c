#include "migrations/checksum.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void sum_of(const char *sql, char ret[HX_SHA256_HEX_SIZE]) {
    struct hx_statements statements = { 0 };
    unsigned line;
    const char *why;
    assert_int_equal(hx_split(sql, strlen(sql), 1, &statements, &line, &why), 0);
    hx_checksum(&statements, statements.count, ret);
    hx_statements_reset(&statements);
}

static void compare(const char *a, const char *b, bool same) {
    char x[HX_SHA256_HEX_SIZE], y[HX_SHA256_HEX_SIZE];
    sum_of(a, x);
    sum_of(b, y);
    if (hx_streq(x, y) != same)
        fail_msg("%s | %s: %s", a, b, same ? "differ" : "are the same");
}

static void what_does_not_count(void **s) {
    (void)s;
    static const char *const pairs[][2] = {
        { "select 1;", "select  1 ;\n\n-- done\n" },
        { "create table t (a int, b text)", "create table t(\n    a int,\n    b text\n)" },
        { "select a /* why */ from t", "select a\nfrom t" },
        { "select a+b", "select a + b" },
        { "select 1; select 2", "-- first\nselect 1;\n\n\nselect 2;;" },
        { "default 'x'", "default   'x'" },
        { "default'x'", "default 'x'" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        compare(pairs[i][0], pairs[i][1], true);
}

static void what_counts(void **s) {
    (void)s;
    static const char *const pairs[][2] = {
        { "select 1", "select 2" },
        { "select 'a b'", "select 'a  b'" },
        { "select 'a' 'b'", "select 'a''b'" },
        { "select 1e5", "select 1 e5" },
        { "select a b", "select ab" },
        { "select a < = b", "select a <= b" },
        { "select e 'x'", "select e'x'" },
        { "select 1; select 2", "select 2; select 1" },
        { "select 1; select 2", "select 1" },
        { "select 1 - -1", "select 1" },
        { "do $$ -- a\n$$", "do $$ -- b\n$$" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        compare(pairs[i][0], pairs[i][1], false);
}

/* Databases keep the sums: they must never change. */
static void the_sums_stay(void **s) {
    (void)s;
    char sum[HX_SHA256_HEX_SIZE];
    _cleanup_buf_ struct hx_buf text = { 0 };
    hx_checksum_text("select  E'a' 'b', 1 + 2 -- c\n from \"t\" ", &text);
    assert_string_equal(text.data, "select E'a' 'b',1+2 from \"t\"");
    sum_of("", sum);
    assert_string_equal(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sum_of("select 1", sum); /* echo 'select 1;' | sha256sum */
    assert_string_equal(sum, "4a45092ccf992ea92250053a80b931b787924ba61648f420555511b84f10ab6c");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_count),
        cmocka_unit_test(what_counts),
        cmocka_unit_test(the_sums_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
