#include "common/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void ceilings(void **s) {
    (void)s;
    assert_int_equal(hx_backoff_ceiling(0, 1000, 60000), 0);
    assert_int_equal(hx_backoff_ceiling(1, 1000, 60000), 1000);
    assert_int_equal(hx_backoff_ceiling(2, 1000, 60000), 2000);
    assert_int_equal(hx_backoff_ceiling(6, 1000, 60000), 32000);
    assert_int_equal(hx_backoff_ceiling(7, 1000, 60000), 60000);
    assert_int_equal(hx_backoff_ceiling(1, 1000, 10), 10);
    assert_int_equal(hx_backoff_ceiling(4, 1000, 8000), 8000);
    assert_int_equal(hx_backoff_ceiling(5, 0, 8000), 0);
    assert_int_equal(hx_backoff_ceiling(5, -1, 8000), 0);
    assert_int_equal(hx_backoff_ceiling(5, 1000, -1), 0);
}

static void nothing_overflows(void **s) {
    (void)s;
    for (unsigned n = 1; n < 200; n++) {
        int64_t ceiling = hx_backoff_ceiling(n, 3, INT64_MAX);
        assert_true(ceiling >= 3);
        assert_true(ceiling >= hx_backoff_ceiling(n - 1, 3, INT64_MAX));
    }
    assert_int_equal(hx_backoff_ceiling(63, 1, INT64_MAX), INT64_C(1) << 62);
    assert_int_equal(hx_backoff_ceiling(64, 1, INT64_MAX), INT64_MAX);
    assert_int_equal(hx_backoff_ceiling(UINT32_MAX, INT64_MAX, INT64_MAX), INT64_MAX);
}

static void jitter_fills_its_range(void **s) {
    (void)s;
    int seen[9] = { 0 };
    for (int i = 0; i < 10000; i++) {
        int64_t pause = hx_backoff_full_jitter(4, 1, 1000);
        assert_true(pause >= 0 && pause <= 8);
        seen[pause]++;
        assert_true(hx_backoff_full_jitter(64, 1, INT64_MAX) >= 0);
    }
    for (int i = 0; i < 9; i++)
        assert_true(seen[i] > 700); /* 1111 expected, standard deviation 31 */
    assert_int_equal(hx_backoff_full_jitter(0, 1000, 1000), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ceilings),
        cmocka_unit_test(nothing_overflows),
        cmocka_unit_test(jitter_fills_its_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
