/* What a child process can be, what can happen to it, and what is done then: one table. */
#pragma once

#include <stdbool.h>

enum child_state {
    CHILD_DOWN,       /* no process, and none is wanted */
    CHILD_PAUSED,     /* no process; the next one comes when its pause is over */
    CHILD_STARTING,   /* it runs, and has not said yet that it can work */
    CHILD_READY,      /* it has */
    CHILD_RESTARTING, /* asked to end; another one follows */
    CHILD_RETIRING,   /* another one is in its place; it finishes what runs, however long */
    CHILD_FROZEN,     /* killed because it stood still or took too long; another one follows */
    CHILD_ENDING,     /* asked to end, for good */
    CHILD_KILLED,     /* killed, for good */
    CHILD_STATES
};

enum child_event {
    CHILD_START, /* a process is wanted, or the pause is over */
    CHILD_SAYS_READY,
    CHILD_RESTART, /* an operator wants a fresh one */
    CHILD_RETIRE,  /* finish, without a deadline, and end */
    CHILD_DRAIN,   /* finish and end */
    CHILD_HURRY,   /* end without waiting for what runs */
    CHILD_OVERDUE, /* it did not end in time */
    CHILD_STUCK,   /* its pulse stands still */
    CHILD_END,     /* end at once */
    CHILD_DIED,    /* its process is gone, or could not be started */
    CHILD_EVENTS
};

enum child_action {
    ACTION_UNSET, /* never in the table: what a forgotten cell would hold */
    ACTION_NOTHING,
    ACTION_SPAWN,
    ACTION_RETIRE, /* a word, and no deadline */
    ACTION_TERM,   /* SIGTERM, and a deadline */
    ACTION_HURRY,  /* a word, and an earlier deadline */
    ACTION_KILL,   /* SIGKILL */
    ACTION_PAUSE,  /* a pause as the restart policy wants it */
    ACTION_AGAIN,  /* no pause: this end was wanted */
    ACTION_REST,   /* forget pause and deadline */
    CHILD_ACTIONS
};

struct transition {
    enum child_action action;
    enum child_state next;
};

extern const struct transition machine[CHILD_STATES][CHILD_EVENTS];

/* Moves *state on and returns what to do. */
enum child_action machine_step(enum child_state *state, enum child_event event);
/* True for the states in which there is a process. */
bool machine_has_process(enum child_state state);
/* A word for people: "ready". */
const char *machine_state_name(enum child_state state);
