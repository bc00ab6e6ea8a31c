#include "migrations/chain.h"
#include "tests/unit/migrations/chain_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

static struct hx_problems problems;

#define BUILD(ret, ...)                                                                                              \
    build_chain((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), \
                ret, &problems)

static int forget(void **s) {
    (void)s;
    hx_problems_reset(&problems);
    return 0;
}

static void put_in_order(void **s) {
    (void)s;
    struct hx_chain *chain;
    assert_int_equal(BUILD(&chain, "c b", "a -", "d c", "b a"), 0);
    assert_int_equal(hx_chain_count(chain), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(hx_chain_at(chain, i)->id[0], 'a' + (int)i);
    assert_ptr_equal(hx_chain_head(chain), hx_chain_at(chain, 3));
    hx_chain_free(chain);
}

static void found_by_unique_prefix(void **s) {
    (void)s;
    struct hx_chain *chain;
    size_t i;
    assert_int_equal(BUILD(&chain, "abc -", "abd abc", "ab abd", "x ab"), 0);
    assert_int_equal(hx_chain_find(chain, "abd", &i), 0);
    assert_int_equal(i, 1);
    assert_int_equal(hx_chain_find(chain, "ab", &i), 0); /* in full, though others begin so */
    assert_int_equal(i, 2);
    assert_int_equal(hx_chain_find(chain, "a", &i), -ENOTUNIQ);
    assert_int_equal(hx_chain_find(chain, "", &i), -ENOENT);
    assert_int_equal(hx_chain_find(chain, "xy", &i), -ENOENT);
    assert_int_equal(hx_chain_find_exactly(chain, "x", &i), 0);
    assert_int_equal(hx_chain_find_exactly(chain, "abcd", &i), -ENOENT);
    hx_chain_free(chain);
}

/* The problems found, as "what@where; …". */
static void expect_problems(const char *expected) {
    struct hx_buf found = { 0 };
    for (size_t i = 0; i < problems.count; i++) {
        struct hx_buf where = { 0 };
        hx_problem_where(&problems.items[i], &where);
        hx_buf_printf(&found, "%s%s@%s", i ? "; " : "", problems.items[i].what, where.data);
        hx_buf_reset(&where);
    }
    assert_string_equal(found.data ? found.data : "", expected);
    hx_buf_reset(&found);
    hx_problems_reset(&problems);
}

static void broken_chains(void **s) {
    (void)s;
    struct hx_chain *chain = NULL;
    assert_int_equal(BUILD(&chain, "a -", "b gone"), -EINVAL);
    expect_problems("missing parent@b.sql; two heads@a.sql, b.sql");
    assert_int_equal(BUILD(&chain, "a -", "b a", "b a"), -EINVAL);
    expect_problems("duplicate revision@b.sql, b.sql");
    assert_int_equal(BUILD(&chain, "a -", "b a", "c a"), -EINVAL);
    expect_problems("two heads@b.sql, c.sql");
    assert_int_equal(BUILD(&chain, "a -", "b -", "c b"), -EINVAL);
    expect_problems("two roots@a.sql, b.sql; two heads@a.sql, c.sql");
    assert_int_equal(BUILD(&chain, "a -", "x z", "y x", "z y"), -EINVAL);
    expect_problems("cycle@x.sql");
    assert_int_equal(BUILD(&chain, "b a", "a b"), -EINVAL); /* nothing but a cycle */
    expect_problems("cycle@b.sql");
    assert_int_equal(BUILD(&chain, "a a"), -EINVAL);
    expect_problems("cycle@a.sql");
    assert_int_equal(BUILD(&chain, "c b", "a b", "b a"), -EINVAL); /* c leads into the cycle but is not of it */
    expect_problems("cycle@a.sql");
    assert_null(chain);
}

static void expect_why(size_t i, const char *what, const char *revision, const char *why, const char *mend) {
    assert_true(i < problems.count);
    assert_string_equal(problems.items[i].what, what);
    assert_string_equal(problems.items[i].revision, revision);
    if (!strstr(problems.items[i].why, why))
        fail_msg("not \"%s\": %s", why, problems.items[i].why);
    if (!strstr(problems.items[i].mend, mend))
        fail_msg("not \"%s\": %s", mend, problems.items[i].mend);
}

/* A file had been overwritten by its successor: both 3b7a… and the wrong content lead back to what nobody declares. */
static void the_chain_that_broke_in_production(void **s) {
    (void)s;
    static const char *const texts[] = {
        "\"\"\"bootstrap\"\"\"\nrevision = '2a3f4c9d1cde'\ndown_revision = '189b1231afd4'\n",
        "\"\"\"later\"\"\"\nrevision = '3b7a1d2e4f56'\ndown_revision = '189b1231afd4'\n",
    };
    struct hx_chain_file files[] = {
        { "versions/189b1231afd4_bootstrap_tables.py", texts[0], strlen(texts[0]) },
        { "versions/3b7a1d2e4f56_later.py", texts[1], strlen(texts[1]) },
    };
    struct hx_chain *chain = NULL;
    hx_problems_reset(&problems);
    assert_int_equal(hx_chain_build(files, 2, &chain, &problems), -EINVAL);
    expect_why(
        0, "missing parent", "189b1231afd4",
        "189b1231afd4 is declared by no file; 2a3f4c9d1cde is declared by 189b1231afd4_bootstrap_tables.py, which "
        "was probably overwritten",
        "git checkout COMMIT -- versions/189b1231afd4_bootstrap_tables.py");
    assert_int_equal(problems.items[0].file_count, 2);
    expect_why(1, "two heads", "", "", "alembic merge");
    expect_why(2, "name disagrees", "2a3f4c9d1cde", "overwritten", "git checkout COMMIT");
    assert_int_equal(problems.count, 3);
}

static void causes_and_what_mends_them(void **s) {
    (void)s;
    struct hx_chain *chain = NULL;
    hx_problems_reset(&problems);
    assert_int_equal(BUILD(&chain, "aaaaaa -", "bbbbbb aaaaab"), -EINVAL);
    expect_why(0, "missing parent", "aaaaab", "aaaaaa was probably meant", "bbbbbb.sql");
    hx_problems_reset(&problems);
    assert_int_equal(BUILD(&chain, "a -", "b gone"), -EINVAL);
    expect_why(0, "missing parent", "gone", "probably deleted", "--diff-filter=D -- 'gone*'");
    hx_problems_reset(&problems);
    assert_int_equal(BUILD(&chain, "a -", "b a", "c a"), -EINVAL);
    expect_why(0, "two heads", "", "two people", "follow the other");
    hx_problems_reset(&problems);
    assert_int_equal(BUILD(&chain, "a -", "a -"), -EINVAL);
    expect_why(0, "duplicate revision", "a", "several files", "delete the copy");
}

static void ways_of_cycles_are_told(void **s) {
    (void)s;
    struct hx_chain *chain = NULL;
    hx_problems_reset(&problems);
    assert_int_equal(BUILD(&chain, "x z", "y x", "z y"), -EINVAL);
    assert_string_equal(problems.items[0].why, "its parents lead back to it: x -> z -> y -> x");
}

static void files_that_cannot_be_parsed_are_all_told(void **s) {
    (void)s;
    struct hx_chain *chain = NULL;
    struct hx_chain_file files[] = { { "one.sql", "x", 1 }, { "two.sql", "y", 1 } };
    hx_problems_reset(&problems);
    assert_int_equal(hx_chain_build(files, 2, &chain, &problems), -EINVAL);
    expect_problems("revision file@one.sql:1; revision file@two.sql:1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_in_order),
        cmocka_unit_test(found_by_unique_prefix),
        cmocka_unit_test(broken_chains),
        cmocka_unit_test(the_chain_that_broke_in_production),
        cmocka_unit_test(causes_and_what_mends_them),
        cmocka_unit_test(ways_of_cycles_are_told),
        cmocka_unit_test(files_that_cannot_be_parsed_are_all_told),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
