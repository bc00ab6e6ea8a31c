#include "scheduler/announce.h"

#include "lib/kafka/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct hx_relay_job job(const char *type, int32_t announce, bool high) {
    return (struct hx_relay_job){ .type = type, .queue = "default", .announce = announce, .high = high };
}

static void a_record_holds_no_more_than_the_type_allows(void **state) {
    (void)state;
    struct hx_relay_job jobs[7];
    for (size_t i = 0; i < 7; i++)
        jobs[i] = job("a", 3, false);
    assert_int_equal(announce_end(jobs, 7, 0), 3);
    assert_int_equal(announce_end(jobs, 7, 3), 6);
    assert_int_equal(announce_end(jobs, 7, 6), 7);
}

static void types_and_bands_travel_apart(void **state) {
    (void)state;
    struct hx_relay_job jobs[] = { job("a", 50, false), job("a", 50, true), job("a", 50, true), job("b", 50, true) };
    assert_int_equal(announce_end(jobs, 4, 0), 1);
    assert_int_equal(announce_end(jobs, 4, 1), 3);
    assert_int_equal(announce_end(jobs, 4, 3), 4);
}

static void a_nonsensical_limit_means_one(void **state) {
    (void)state;
    struct hx_relay_job jobs[] = { job("a", 0, false), job("a", 0, false) };
    assert_int_equal(announce_end(jobs, 2, 0), 1);
}

static void the_format_bounds_a_record_too(void **state) {
    (void)state;
    enum { N = HX_ANNOUNCE_MAX + 1 };
    static struct hx_relay_job jobs[N];
    for (size_t i = 0; i < N; i++)
        jobs[i] = job("a", N, false);
    assert_int_equal(announce_end(jobs, N, 0), HX_ANNOUNCE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_holds_no_more_than_the_type_allows),
        cmocka_unit_test(types_and_bands_travel_apart),
        cmocka_unit_test(a_nonsensical_limit_means_one),
        cmocka_unit_test(the_format_bounds_a_record_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
