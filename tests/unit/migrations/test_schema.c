/* lib/ledger/schema.c can't know the chain, and the chain's layer can't know the ledger's: so its source is taken in. */
#include "lib/ledger/schema.c"
#include "migrations/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void head_is_the_chains(void **s) {
    (void)s;
    struct hx_problems problems = { 0 };
    struct hx_chain *chain = NULL;
    assert_int_equal(hx_chain_load(NULL, &chain, &problems), 0);
    assert_string_equal(hx_schema_head(), hx_chain_head(chain)->id);
    hx_chain_free(chain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_is_the_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
