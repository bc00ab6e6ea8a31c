#include "supervisor/roles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void at_once_then_growing_pauses(void **s) {
    (void)s;
    const struct restart_policy policy = { .base_ms = 200, .lived_long_ms = 10000 };
    struct restart_history history = { 0 };
    static const int64_t ceilings[] = { 200, 400, 800, 1600, 3200, 5000, 5000, 5000 };
    assert_int_equal(restart_pause(&policy, &history, 3, 5000), 0);
    for (size_t i = 0; i < 8; i++) {
        int64_t pause = restart_pause(&policy, &history, 3, 5000);
        assert_true(pause >= ceilings[i] / 2 && pause <= ceilings[i]);
    }
}

static void a_long_life_is_a_new_beginning(void **s) {
    (void)s;
    const struct restart_policy policy = { .base_ms = 200, .lived_long_ms = 10000 };
    struct restart_history history = { .short_lives = 9 };
    assert_true(restart_pause(&policy, &history, 9999, 5000) > 0);
    assert_int_equal(restart_pause(&policy, &history, 10000, 5000), 0);
    assert_true(restart_pause(&policy, &history, 0, 5000) > 0);
    /* where pauses are longer than that, a life must be as long as a pause to count */
    history.short_lives = 9;
    assert_true(restart_pause(&policy, &history, 10000, 60000) > 0);
    assert_int_equal(restart_pause(&policy, &history, 60000, 60000), 0);
}

static void the_shortest_maximum_and_the_longest_series(void **s) {
    (void)s;
    const struct restart_policy policy = { .base_ms = 200, .lived_long_ms = 10000 };
    struct restart_history history = { .short_lives = UINT32_MAX };
    for (int i = 0; i < 3; i++) {
        int64_t pause = restart_pause(&policy, &history, 0, 10);
        assert_true(pause >= 5 && pause <= 10);
    }
    assert_int_equal(history.short_lives, UINT32_MAX);
}

static void a_loop_is_told_once_a_series(void **s) {
    (void)s;
    const struct restart_policy policy = { .base_ms = 1, .lived_long_ms = 10000 };
    struct restart_history history = { 0 };
    int told = 0, first = 0;
    for (int i = 1; i <= 20; i++) {
        restart_pause(&policy, &history, 3, 10);
        told += restart_loops(&history);
        first = told && !first ? i : first;
    }
    assert_int_equal(told, 1);
    assert_int_equal(first, 5);
    restart_pause(&policy, &history, 10000, 10);
    for (int i = 2; i <= 5; i++)
        restart_pause(&policy, &history, 3, 10);
    assert_true(restart_loops(&history));
}

static void the_service_table_is_complete(void **s) {
    (void)s;
    int reapers = 0, with_jobs = 0;
    for (size_t i = 0; i < ROLES; i++) {
        assert_non_null(roles[i].name);
        assert_non_null(strstr(roles[i].program, roles[i].name));
        assert_true(roles[i].restart.base_ms > 0 && roles[i].restart.lived_long_ms > 0);
        reapers += roles[i].reaps;
        with_jobs += roles[i].runs_jobs;
    }
    assert_true(reapers == 1 && with_jobs == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once_then_growing_pauses),
        cmocka_unit_test(a_long_life_is_a_new_beginning),
        cmocka_unit_test(the_shortest_maximum_and_the_longest_series),
        cmocka_unit_test(a_loop_is_told_once_a_series),
        cmocka_unit_test(the_service_table_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
