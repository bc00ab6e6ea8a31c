#include "ctl/arguments.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "lib/ledger/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void defaults(void **s) {
    (void)s;
    struct ctl_arguments a;
    ctl_arguments_init(&a);
    assert_int_equal(a.given, 0);
    assert_int_equal(a.status, -1);
    assert_int_equal(a.since, HX_NO_TIME);
    assert_int_equal(a.until, HX_NO_TIME);
    assert_int_equal(a.wait_ms, -1);
    assert_int_equal(a.limit, 0);
}

static void takes(void **s) {
    (void)s;
    struct ctl_arguments a;
    ctl_arguments_init(&a);
    assert_int_equal(ctl_take_option(CTL_STATUS, "dead_letter", &a), 0);
    assert_int_equal(ctl_take_option(CTL_TYPE, "thumbnail", &a), 0);
    assert_int_equal(ctl_take_option(CTL_LIMIT, "7", &a), 0);
    assert_int_equal(ctl_take_option(CTL_SINCE, "2h", &a), 0);
    assert_int_equal(ctl_take_option(CTL_WAIT, NULL, &a), 0);
    assert_int_equal(ctl_take_option(CTL_JSON, NULL, &a), 0);
    assert_int_equal(a.status, HX_DEAD_LETTER);
    assert_string_equal(a.type, "thumbnail");
    assert_int_equal(a.limit, 7);
    assert_in_range(hx_wall_us() - a.since, INT64_C(7200000000), INT64_C(7300000000));
    assert_true(a.wait && a.json && a.wait_ms == -1);
    assert_int_equal(a.given, CTL_BIT(CTL_STATUS) | CTL_BIT(CTL_TYPE) | CTL_BIT(CTL_LIMIT) | CTL_BIT(CTL_SINCE) |
                                  CTL_BIT(CTL_WAIT) | CTL_BIT(CTL_JSON));
    assert_int_equal(ctl_take_option(CTL_WAIT, "3s", &a), 0);
    assert_int_equal(a.wait_ms, 3000);
}

static void refuses(void **s) {
    (void)s;
    static const struct {
        enum ctl_option option;
        const char *value;
    } cases[] = {
        { CTL_STATUS, "dead" }, { CTL_STATUS, "" },    { CTL_TYPE, "" },   { CTL_ORG, "7" },
        { CTL_SINCE, "soon" },  { CTL_UNTIL, "2026" }, { CTL_LIMIT, "0" }, { CTL_LIMIT, "1000001" },
        { CTL_LIMIT, "many" },  { CTL_JOB, "" },       { CTL_ERROR, "" },  { CTL_REASON, "\xff" },
        { CTL_WAIT, "5" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct ctl_arguments a;
        ctl_arguments_init(&a);
        assert_int_equal(ctl_take_option(cases[i].option, cases[i].value, &a), HX_EXIT_USAGE);
    }
}

static void table_is_complete(void **s) {
    (void)s;
    for (size_t i = 0; i < CTL_OPTIONS; i++) {
        assert_non_null(ctl_options[i].name);
        assert_non_null(ctl_options[i].help);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(defaults), cmocka_unit_test(takes), cmocka_unit_test(refuses),
                                        cmocka_unit_test(table_is_complete) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
