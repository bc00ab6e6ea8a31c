#include "supervisor/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_cell_makes_sense(void **s) {
    (void)s;
    for (int state = 0; state < CHILD_STATES; state++)
        for (int event = 0; event < CHILD_EVENTS; event++) {
            struct transition t = machine[state][event];
            print_message("%s x %d -> %d, %s\n", machine_state_name((enum child_state)state), event, (int)t.action,
                          machine_state_name(t.next));
            bool before = machine_has_process((enum child_state)state), after = machine_has_process(t.next);
            assert_true(t.action > ACTION_UNSET && t.action < CHILD_ACTIONS);
            assert_true(t.next < CHILD_STATES);
            /* nobody is signalled where there is nobody */
            if (!before)
                assert_true(t.action != ACTION_RETIRE && t.action != ACTION_TERM && t.action != ACTION_HURRY &&
                            t.action != ACTION_KILL);
            /* a process comes by a start only, and goes by its death only */
            assert_int_equal(t.action == ACTION_SPAWN, !before && after);
            assert_int_equal(before && !after, before && event == CHILD_DIED);
            /* who pauses has a timer that ends the pause, who is down has none */
            if (t.next == CHILD_PAUSED && (state != CHILD_PAUSED || event == CHILD_RESTART))
                assert_true(t.action == ACTION_PAUSE || t.action == ACTION_AGAIN);
            if (t.next == CHILD_DOWN && state != CHILD_DOWN)
                assert_int_equal(t.action, ACTION_REST);
            /* a signal is sent once, but for the last resort */
            if (t.action == ACTION_TERM)
                assert_true(state == CHILD_STARTING || state == CHILD_READY || state == CHILD_RETIRING);
            if (t.action == ACTION_HURRY)
                assert_true(state == CHILD_RESTARTING || state == CHILD_ENDING);
        }
}

/* Wherever a child stands: after END, RETIRE, DRAIN or HURRY, and its death, there is no process, and none comes by itself. */
static void every_state_can_be_ended(void **s) {
    (void)s;
    for (int from = 0; from < CHILD_STATES; from++)
        for (int kind = 0; kind < 6; kind++) {
            enum child_state state = (enum child_state)from;
            if (kind >= 4)
                machine_step(&state, CHILD_RETIRE);
            if (kind > 0 && kind != 4)
                machine_step(&state, kind == 3 ? CHILD_HURRY : CHILD_DRAIN);
            if (kind == 2)
                machine_step(&state, CHILD_OVERDUE);
            if (kind == 0)
                machine_step(&state, CHILD_END);
            if (machine_has_process(state))
                assert_int_equal(machine_step(&state, CHILD_DIED), ACTION_REST);
            assert_int_equal(state, CHILD_DOWN);
        }
}

static void a_life(void **s) {
    (void)s;
    enum child_state state = CHILD_DOWN;
    assert_int_equal(machine_step(&state, CHILD_START), ACTION_SPAWN);
    assert_int_equal(machine_step(&state, CHILD_SAYS_READY), ACTION_NOTHING);
    assert_string_equal(machine_state_name(state), "ready");
    assert_int_equal(machine_step(&state, CHILD_DIED), ACTION_PAUSE);
    assert_int_equal(machine_step(&state, CHILD_START), ACTION_SPAWN);
    assert_int_equal(machine_step(&state, CHILD_RESTART), ACTION_TERM);
    assert_int_equal(machine_step(&state, CHILD_RESTART), ACTION_NOTHING);
    assert_int_equal(machine_step(&state, CHILD_OVERDUE), ACTION_KILL);
    assert_int_equal(machine_step(&state, CHILD_DIED), ACTION_PAUSE);
    assert_int_equal(machine_step(&state, CHILD_DRAIN), ACTION_REST);
    assert_int_equal(state, CHILD_DOWN);
}

static void a_successor_comes(void **s) {
    (void)s;
    enum child_state state = CHILD_READY;
    assert_int_equal(machine_step(&state, CHILD_RETIRE), ACTION_RETIRE);
    assert_string_equal(machine_state_name(state), "retiring");
    assert_int_equal(machine_step(&state, CHILD_RESTART), ACTION_NOTHING);
    assert_int_equal(machine_step(&state, CHILD_DRAIN), ACTION_TERM);
    assert_int_equal(machine_step(&state, CHILD_HURRY), ACTION_HURRY);
    assert_int_equal(machine_step(&state, CHILD_DIED), ACTION_REST);
    state = CHILD_PAUSED;
    assert_int_equal(machine_step(&state, CHILD_RETIRE), ACTION_REST);
    assert_int_equal(state, CHILD_DOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_makes_sense),
        cmocka_unit_test(every_state_can_be_ended),
        cmocka_unit_test(a_life),
        cmocka_unit_test(a_successor_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
