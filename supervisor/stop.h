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

struct stop {
    struct hx_loop *loop;
    struct fleet *fleet;
    struct deaths *deaths;
    struct orphans *orphans;
    struct guard *guard;
    struct hx_timer *timer; /* bounds the phase */
    enum stop_phase phase;
    bool hurry;
};

void stop_init(struct stop *stop, struct hx_loop *loop, struct fleet *fleet, struct deaths *deaths,
               struct orphans *orphans, struct guard *guard);
void stop_reset(struct stop *stop);
/* The first TERM. */
void stop_begin(struct stop *stop);
/* The second: everything ends now. */
void stop_hurry(struct stop *stop);
/* Something may have ended: goes on to the phases whose time has come. */
void stop_advance(struct stop *stop);
