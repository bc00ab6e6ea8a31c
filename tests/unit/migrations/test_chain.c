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
    for (size_t i = 0; i < problems.count; i++)
        hx_buf_printf(&found, "%s%s@%s", i ? "; " : "", problems.items[i].what, problems.items[i].where);
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

/* A file had been overwritten by its successor: both 3b7a… and the wrong content lead back to what nobody declares. */
static void the_chain_that_broke_in_production(void **s) {
    (void)s;
    struct hx_chain *chain = NULL;
    assert_int_equal(BUILD(&chain, "2a3f4c9d1cde 189b1231afd4", "3b7a1d2e4f56 189b1231afd4"), -EINVAL);
    assert_int_equal(problems.count, 3);
    assert_string_equal(problems.items[0].what, "missing parent");
    assert_string_equal(problems.items[0].why, "revision 2a3f4c9d1cde follows 189b1231afd4, which no file declares");
    assert_string_equal(problems.items[1].what, "missing parent");
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
        cmocka_unit_test(ways_of_cycles_are_told),
        cmocka_unit_test(files_that_cannot_be_parsed_are_all_told),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
