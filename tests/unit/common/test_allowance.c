#include "common/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int taken(struct hx_allowance *a, int64_t now_ms) {
    int n = 0;
    while (hx_allowance_take(a, now_ms))
        n++;
    return n;
}

static void a_burst_and_then_so_many_a_second(void **s) {
    (void)s;
    struct hx_allowance a = { .burst = 5, .per_second = 2 };
    assert_int_equal(taken(&a, 1000000), 5);
    assert_int_equal(taken(&a, 1000499), 0);
    assert_int_equal(taken(&a, 1000500), 1);
    assert_int_equal(taken(&a, 1001500), 2);
    assert_int_equal(taken(&a, 1001600), 0);
    assert_int_equal(taken(&a, 1002000), 1); /* what was left of the time before counts */
    assert_int_equal(taken(&a, 9000000), 5); /* never more than the burst */
}

static void a_clock_that_stands_or_goes_back_gives_nothing(void **s) {
    (void)s;
    struct hx_allowance a = { .burst = 1, .per_second = 1000 };
    assert_int_equal(taken(&a, 5000), 1);
    assert_int_equal(taken(&a, 5000), 0);
    assert_int_equal(taken(&a, 4000), 0);
    assert_int_equal(taken(&a, INT64_MAX / 2), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_so_many_a_second),
        cmocka_unit_test(a_clock_that_stands_or_goes_back_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
