/* The end of the fleet, step by step: workers drain, their deaths are settled, schedulers end, orphans go, the guard is dismissed. */
#pragma once

#include "supervisor/deaths.h"
#include "supervisor/fleet.h"
#include "supervisor/guard.h"
#include "supervisor/orphans.h"

enum stop_phase {
    STOP_NOT,     /* running */
    STOP_WORKERS, /* asked to drain; each has its deadline */
    STOP_SETTLE,  /* a scheduler answers the deaths that are left */
    STOP_OTHERS,  /* everyone else was asked to end */
    STOP_ORPHANS, /* nothing that we started lives; what they left does */
    STOP_GUARD,
    STOP_DONE, /* the loop was stopped */
    STOP_PHASES
};

/* How often we were told to end since the first time. No haste keeps a scheduler from settling the jobs of the dead: a stop leaves no
 * row running. */
enum stop_haste {
    STOP_PATIENT,
    STOP_HURRIED, /* what runs is killed */
    STOP_CUT,     /* workers are killed */
};

struct stop {
    struct hx_loop *loop;
    struct fleet *fleet;
    struct deaths *deaths;
    struct orphans *orphans;
    struct guard *guard;
    struct hx_timer *timer; /* bounds the phase */
    enum stop_phase phase;
    enum stop_haste haste;
    int64_t patience_ms; /* of a stop without haste */
    int64_t deadline_ms; /* when it should be over, hx_mono_ms */
};

/* The parts, the loop and patience_ms are set. */
void stop_init(struct stop *stop);
void stop_reset(struct stop *stop);
/* The first TERM. */
void stop_begin(struct stop *stop);
/* Each further one. False: it can't be hastened any more. */
bool stop_hasten(struct stop *stop);
/* Something may have ended: goes on to the phases whose time has come. */
void stop_advance(struct stop *stop);
