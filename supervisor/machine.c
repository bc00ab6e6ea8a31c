#include "supervisor/machine.h"

#include "common/text.h"

#define STAY(state) \
    { ACTION_NOTHING, state }

const struct transition machine[][CHILD_EVENTS] = {
    [CHILD_DOWN] = {
        [CHILD_START] = { ACTION_SPAWN, CHILD_STARTING },
        [CHILD_SAYS_READY] = STAY(CHILD_DOWN),
        [CHILD_RESTART] = STAY(CHILD_DOWN),
        [CHILD_RETIRE] = STAY(CHILD_DOWN),
        [CHILD_DRAIN] = STAY(CHILD_DOWN),
        [CHILD_HURRY] = STAY(CHILD_DOWN),
        [CHILD_OVERDUE] = STAY(CHILD_DOWN),
        [CHILD_STUCK] = STAY(CHILD_DOWN),
        [CHILD_END] = STAY(CHILD_DOWN),
        [CHILD_DIED] = STAY(CHILD_DOWN),
    },
    [CHILD_PAUSED] = {
        [CHILD_START] = { ACTION_SPAWN, CHILD_STARTING },
        [CHILD_SAYS_READY] = STAY(CHILD_PAUSED),
        [CHILD_RESTART] = { ACTION_AGAIN, CHILD_PAUSED },
        [CHILD_RETIRE] = { ACTION_REST, CHILD_DOWN },
        [CHILD_DRAIN] = { ACTION_REST, CHILD_DOWN },
        [CHILD_HURRY] = { ACTION_REST, CHILD_DOWN },
        [CHILD_OVERDUE] = STAY(CHILD_PAUSED),
        [CHILD_STUCK] = STAY(CHILD_PAUSED),
        [CHILD_END] = { ACTION_REST, CHILD_DOWN },
        [CHILD_DIED] = STAY(CHILD_PAUSED),
    },
    [CHILD_STARTING] = {
        [CHILD_START] = STAY(CHILD_STARTING),
        [CHILD_SAYS_READY] = STAY(CHILD_READY),
        [CHILD_RESTART] = { ACTION_TERM, CHILD_RESTARTING },
        [CHILD_RETIRE] = { ACTION_RETIRE, CHILD_RETIRING },
        [CHILD_DRAIN] = { ACTION_TERM, CHILD_ENDING },
        [CHILD_HURRY] = { ACTION_TERM, CHILD_ENDING },
        [CHILD_OVERDUE] = STAY(CHILD_STARTING),
        [CHILD_STUCK] = { ACTION_KILL, CHILD_FROZEN },
        [CHILD_END] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_DIED] = { ACTION_PAUSE, CHILD_PAUSED },
    },
    [CHILD_READY] = {
        [CHILD_START] = STAY(CHILD_READY),
        [CHILD_SAYS_READY] = STAY(CHILD_READY),
        [CHILD_RESTART] = { ACTION_TERM, CHILD_RESTARTING },
        [CHILD_RETIRE] = { ACTION_RETIRE, CHILD_RETIRING },
        [CHILD_DRAIN] = { ACTION_TERM, CHILD_ENDING },
        [CHILD_HURRY] = { ACTION_TERM, CHILD_ENDING },
        [CHILD_OVERDUE] = STAY(CHILD_READY),
        [CHILD_STUCK] = { ACTION_KILL, CHILD_FROZEN },
        [CHILD_END] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_DIED] = { ACTION_PAUSE, CHILD_PAUSED },
    },
    /* Whoever was asked already isn't asked again, but told to hurry. */
    [CHILD_RESTARTING] = {
        [CHILD_START] = STAY(CHILD_RESTARTING),
        [CHILD_SAYS_READY] = STAY(CHILD_RESTARTING),
        [CHILD_RESTART] = STAY(CHILD_RESTARTING),
        [CHILD_RETIRE] = STAY(CHILD_ENDING),
        [CHILD_DRAIN] = STAY(CHILD_ENDING),
        [CHILD_HURRY] = { ACTION_HURRY, CHILD_ENDING },
        [CHILD_OVERDUE] = { ACTION_KILL, CHILD_FROZEN },
        [CHILD_STUCK] = { ACTION_KILL, CHILD_FROZEN },
        [CHILD_END] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_DIED] = { ACTION_AGAIN, CHILD_PAUSED },
    },
    [CHILD_RETIRING] = {
        [CHILD_START] = STAY(CHILD_RETIRING),
        [CHILD_SAYS_READY] = STAY(CHILD_RETIRING),
        [CHILD_RESTART] = STAY(CHILD_RETIRING),
        [CHILD_RETIRE] = STAY(CHILD_RETIRING),
        [CHILD_DRAIN] = { ACTION_TERM, CHILD_ENDING },
        [CHILD_HURRY] = { ACTION_TERM, CHILD_ENDING },
        [CHILD_OVERDUE] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_STUCK] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_END] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_DIED] = { ACTION_REST, CHILD_DOWN },
    },
    [CHILD_FROZEN] = {
        [CHILD_START] = STAY(CHILD_FROZEN),
        [CHILD_SAYS_READY] = STAY(CHILD_FROZEN),
        [CHILD_RESTART] = STAY(CHILD_FROZEN),
        [CHILD_RETIRE] = STAY(CHILD_KILLED),
        [CHILD_DRAIN] = STAY(CHILD_KILLED),
        [CHILD_HURRY] = STAY(CHILD_KILLED),
        [CHILD_OVERDUE] = STAY(CHILD_FROZEN),
        [CHILD_STUCK] = STAY(CHILD_FROZEN),
        [CHILD_END] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_DIED] = { ACTION_PAUSE, CHILD_PAUSED },
    },
    [CHILD_ENDING] = {
        [CHILD_START] = STAY(CHILD_ENDING),
        [CHILD_SAYS_READY] = STAY(CHILD_ENDING),
        [CHILD_RESTART] = STAY(CHILD_ENDING),
        [CHILD_RETIRE] = STAY(CHILD_ENDING),
        [CHILD_DRAIN] = STAY(CHILD_ENDING),
        [CHILD_HURRY] = { ACTION_HURRY, CHILD_ENDING },
        [CHILD_OVERDUE] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_STUCK] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_END] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_DIED] = { ACTION_REST, CHILD_DOWN },
    },
    [CHILD_KILLED] = {
        [CHILD_START] = STAY(CHILD_KILLED),
        [CHILD_SAYS_READY] = STAY(CHILD_KILLED),
        [CHILD_RESTART] = STAY(CHILD_KILLED),
        [CHILD_RETIRE] = STAY(CHILD_KILLED),
        [CHILD_DRAIN] = STAY(CHILD_KILLED),
        [CHILD_HURRY] = STAY(CHILD_KILLED),
        [CHILD_OVERDUE] = STAY(CHILD_KILLED),
        [CHILD_STUCK] = STAY(CHILD_KILLED),
        [CHILD_END] = { ACTION_KILL, CHILD_KILLED },
        [CHILD_DIED] = { ACTION_REST, CHILD_DOWN },
    },
};
_Static_assert(HX_ARRAY_LEN(machine) == CHILD_STATES, "each state has its row");

static const struct {
    const char *name;
    bool has_process;
} states[] = {
    [CHILD_DOWN] = { "down", false },
    [CHILD_PAUSED] = { "paused", false },
    [CHILD_STARTING] = { "starting", true },
    [CHILD_READY] = { "ready", true },
    [CHILD_RESTARTING] = { "restarting", true },
    [CHILD_RETIRING] = { "retiring", true },
    [CHILD_FROZEN] = { "frozen", true },
    [CHILD_ENDING] = { "ending", true },
    [CHILD_KILLED] = { "killed", true },
};
_Static_assert(HX_ARRAY_LEN(states) == CHILD_STATES, "each state has its name");

enum child_action machine_step(enum child_state *state, enum child_event event) {
    const struct transition *t = &machine[*state][event];
    *state = t->next;
    return t->action;
}

bool machine_has_process(enum child_state state) {
    return states[state].has_process;
}

const char *machine_state_name(enum child_state state) {
    return states[state].name;
}
