/* lib/ledger/schema.c can't know the chain, and the chain's layer can't know the ledger's: so its source is taken in. */
#include "lib/ledger/schema.c"
#include "migrations/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void head_is_the_chains(void **s) {
    (void)s;
    struct hx_problems problems = { 0 };
    struct hx_chain *chain = NULL;
    assert_int_equal(hx_chain_load(NULL, &chain, &problems), 0);
    assert_string_equal(hx_schema_head(), hx_chain_head(chain)->id);
    hx_chain_free(chain);
}

static void who_is_older(void **s) {
    (void)s;
    struct hx_problems problems = { 0 };
    struct hx_chain *chain = NULL;
    assert_int_equal(hx_chain_load(NULL, &chain, &problems), 0);
    for (size_t i = 0; i < hx_chain_count(chain); i++)
        assert_true(is_older(hx_chain_at(chain, i)->id));
    hx_chain_free(chain);
    char *none = hx_schema_complaint(NULL), *newer = hx_schema_complaint("ffff00000000");
    assert_non_null(strstr(none, "at no revision, this version needs"));
    assert_non_null(strstr(none, ": run heimdex-migrate upgrade head"));
    assert_non_null(strstr(newer, "at ffff00000000, which this version doesn't know"));
    assert_non_null(strstr(newer, "heimdex-migrate downgrade"));
    free(none);
    free(newer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_is_the_chains),
        cmocka_unit_test(who_is_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
