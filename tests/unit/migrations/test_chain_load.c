#include "common/text.h"
#include "migrations/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static char directory[] = "/tmp/test_chain_load.XXXXXX";

static void put(const char *name, const char *text) {
    _cleanup_free_ char *path = hx_printf("%s/%s", directory, name);
    _cleanup_fclose_ FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
}

static void drop(const char *name) {
    _cleanup_free_ char *path = hx_printf("%s/%s", directory, name);
    remove(path);
}

static int make_directory(void **s) {
    (void)s;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **s) {
    (void)s;
    drop("a_first.sql");
    drop("b.sql");
    drop("notes.txt");
    drop(".hidden.sql");
    return remove(directory);
}

static void built_in(void **s) {
    (void)s;
    struct hx_problems problems = { 0 };
    struct hx_chain *chain = NULL;
    assert_int_equal(hx_chain_load(NULL, &chain, &problems), 0);
    assert_string_equal(hx_chain_at(chain, 0)->id, "001_job_ledger_init");
    assert_string_equal(hx_chain_at(chain, 1)->id, "3af4686817cc");
    for (size_t i = 0; i < hx_chain_count(chain); i++) {
        const struct hx_revision *r = hx_chain_at(chain, i);
        assert_true(hx_startswith(r->path, "migrations/versions/"));
        assert_true(hx_revision_name_agrees(r));
        assert_true(r->upgrade.count > 0 && r->downgrade.count > 0);
    }
    hx_chain_free(chain);
}

static void from_directory(void **s) {
    (void)s;
    struct hx_problems problems = { 0 };
    struct hx_chain *chain = NULL;
    assert_int_equal(hx_chain_load(directory, &chain, &problems), -ENOENT); /* empty */
    assert_string_equal(problems.items[0].files[0], directory);
    hx_problems_reset(&problems);

    put("b.sql", "-- revision: b\n-- down_revision: a\n-- message: two\n-- upgrade\n");
    put("a_first.sql", "-- revision: a\n-- down_revision:\n-- message: one\n-- upgrade\n");
    put("notes.txt", "not ours");
    put(".hidden.sql", "an editor's");
    assert_int_equal(hx_chain_load(directory, &chain, &problems), 0);
    assert_int_equal(hx_chain_count(chain), 2);
    _cleanup_free_ char *path = hx_printf("%s/a_first.sql", directory);
    assert_string_equal(hx_chain_at(chain, 0)->path, path);
    chain = hx_chain_free(chain);

    _cleanup_free_ char *slash = hx_printf("%s/", directory);
    assert_int_equal(hx_chain_load(slash, &chain, &problems), 0);
    assert_string_equal(hx_chain_at(chain, 0)->path, path);
    hx_chain_free(chain);
}

static void nowhere(void **s) {
    (void)s;
    struct hx_problems problems = { 0 };
    struct hx_chain *chain = NULL;
    assert_int_equal(hx_chain_load("/nowhere/at/all", &chain, &problems), -ENOENT);
    assert_null(chain);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].why, "No such file or directory");
    hx_problems_reset(&problems);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in),
        cmocka_unit_test(from_directory),
        cmocka_unit_test(nowhere),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
