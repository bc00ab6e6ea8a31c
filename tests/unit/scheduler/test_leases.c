#include "scheduler/leases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { TTL = 15000 };

static bool look(struct leases *l, int64_t now, int32_t worker, int64_t lease) {
    leases_begin(l, now);
    bool lost = leases_seen(l, worker, lease, TTL);
    leases_end(l);
    return lost;
}

static void a_counter_that_stands_for_one_lease_is_lost(void **state) {
    (void)state;
    struct leases *l = leases_new();
    for (int64_t now = 100000; now < 115000; now += 3000)
        assert_false(look(l, now, 7, 42));
    assert_false(look(l, 114999, 7, 42));
    assert_true(look(l, 115000, 7, 42));
    leases_free(l);
}

static void a_counter_that_moves_is_not(void **state) {
    (void)state;
    struct leases *l = leases_new();
    for (int64_t i = 0; i < 100; i++)
        assert_false(look(l, 100000 + i * 3000, 7, i / 4));
    leases_free(l);
}

static void nothing_is_known_after_an_outage(void **state) {
    (void)state;
    struct leases *l = leases_new();
    for (int64_t now = 100000; now < 115000; now += 3000)
        look(l, now, 7, 42);
    leases_forget(l);
    assert_false(look(l, 115000, 7, 42));
    leases_free(l);
}

static void who_slept_itself_knows_nothing(void **state) {
    (void)state;
    struct leases *l = leases_new();
    look(l, 100000, 7, 42);
    assert_false(look(l, 120000, 7, 42));
    leases_free(l);
}

static void workers_that_went_are_forgotten(void **state) {
    (void)state;
    struct leases *l = leases_new();
    look(l, 100000, 7, 42);
    for (int64_t now = 103000; now <= 115000; now += 3000)
        look(l, now, 8, now);
    assert_false(look(l, 118000, 7, 42));
    leases_free(l);
}

/* A host may have another lease than ours, while one is rolled out. */
static void each_has_its_own_lease(void **state) {
    (void)state;
    struct leases *l = leases_new();
    for (int64_t now = 100000; now <= 160000; now += 1000) {
        leases_begin(l, now);
        assert_int_equal(leases_seen(l, 1, 1, 3000), now >= 103000);
        assert_int_equal(leases_seen(l, 2, 1, 60000), now >= 160000);
        leases_end(l);
    }
    leases_begin(l, 163000); /* too long for the one to know anything of it, and not for the other */
    assert_false(leases_seen(l, 1, 1, 3000));
    assert_true(leases_seen(l, 2, 1, 60000));
    leases_free(l);
}

static void many_workers_are_told_apart(void **state) {
    (void)state;
    struct leases *l = leases_new();
    for (int64_t now = 100000; now <= 115000; now += 3000) {
        leases_begin(l, now);
        for (int32_t worker = 1; worker <= 100; worker++)
            assert_int_equal(leases_seen(l, worker, worker % 2 ? 1 : now, TTL), worker % 2 && now == 115000);
        leases_end(l);
    }
    leases_free(l);
    leases_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_that_stands_for_one_lease_is_lost),
        cmocka_unit_test(a_counter_that_moves_is_not),
        cmocka_unit_test(nothing_is_known_after_an_outage),
        cmocka_unit_test(who_slept_itself_knows_nothing),
        cmocka_unit_test(workers_that_went_are_forgotten),
        cmocka_unit_test(each_has_its_own_lease),
        cmocka_unit_test(many_workers_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
