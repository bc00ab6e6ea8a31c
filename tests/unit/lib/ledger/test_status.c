#include "lib/ledger/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

static void names_and_back(void **state) {
    (void)state;
    for (int i = 0; i < HX_STATUSES; i++) {
        enum hx_status status = HX_STATUSES;
        assert_int_equal(hx_status_parse(hx_status_name((enum hx_status)i), &status), 0);
        assert_int_equal(status, i);
    }
    assert_string_equal(hx_status_name(HX_DEAD_LETTER), "dead_letter");
    assert_string_equal(hx_status_name(HX_STATUSES), "unknown");
}

static void strangers_are_refused(void **state) {
    (void)state;
    enum hx_status status = HX_FAILED;
    assert_int_equal(hx_status_parse("processing", &status), -EINVAL);
    assert_int_equal(hx_status_parse("", &status), -EINVAL);
    assert_int_equal(hx_status_parse(NULL, &status), -EINVAL);
    assert_int_equal(status, HX_FAILED);
}

static void terminal(void **state) {
    (void)state;
    static const bool expected[HX_STATUSES] = { [HX_SUCCEEDED] = true, [HX_CANCELED] = true, [HX_DEAD_LETTER] = true };
    for (int i = 0; i < HX_STATUSES; i++)
        assert_int_equal(hx_status_terminal((enum hx_status)i), expected[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_back),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
