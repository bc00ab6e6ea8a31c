#include "scheduler/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_conflict_is_tried_again_soon(void **state) {
    (void)state;
    for (unsigned n = 1; n < 100; n++)
        assert_in_range(task_pause(n, HX_PG_RETRY, 3600000), 1, 1001);
}

static void an_outage_is_met_at_the_rhythm_or_within_seconds(void **state) {
    (void)state;
    for (unsigned n = 1; n < 100; n++) {
        assert_in_range(task_pause(n, HX_PG_UNAVAILABLE, 0), 200, 5200);
        assert_in_range(task_pause(n, HX_PG_UNAVAILABLE, 2000), 2000, 5200);
        assert_in_range(task_pause(n, HX_PG_UNAVAILABLE, 3600000), 5000, 5200); /* upkeep doesn't wait for an hour */
    }
}

static void what_needs_people_is_tried_once_a_minute(void **state) {
    (void)state;
    int64_t longest = 0;
    for (unsigned n = 1; n < 200; n++) {
        int64_t pause = task_pause(n, HX_PG_DENIED, 200);
        assert_in_range(pause, 200, 60200);
        longest = pause > longest ? pause : longest;
    }
    assert_true(longest > 30000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conflict_is_tried_again_soon),
        cmocka_unit_test(an_outage_is_met_at_the_rhythm_or_within_seconds),
        cmocka_unit_test(what_needs_people_is_tried_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
