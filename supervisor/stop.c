#include "supervisor/stop.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"

#include <signal.h>

/* SETTLE: how long a scheduler has for the dead, longer where the deadline leaves time for it; OTHERS: what comes after it. */
enum { SETTLE_MIN_MS = 1000, SETTLE_MAX_MS = 2000, OTHERS_MS = 1500, GUARD_MS = 500 };

/* A worker that was killed at its deadline leaves deaths that only a scheduler can settle, so schedulers end last. */
static bool workers_done(const struct stop *stop) {
    return fleet_alive(stop->fleet, &roles[ROLE_WORKER]) == 0;
}

/* One that waits for PostgreSQL itself settles nothing. */
static bool has_settler(const struct stop *stop) {
    for (size_t i = 0; i < stop->fleet->count; i++) {
        const struct child *child = stop->fleet->children[i];
        if (child->role->reaps && child->pid > 0 && !child->waiting)
            return true;
    }
    return false;
}

static bool settled(const struct stop *stop) {
    return (!orphans_sweeping(stop->orphans) && deaths_unsettled(stop->deaths) == 0) || !has_settler(stop);
}

static bool others_done(const struct stop *stop) {
    return fleet_alive(stop->fleet, NULL) == 0;
}

static bool orphans_done(const struct stop *stop) {
    return !orphans_sweeping(stop->orphans);
}

static bool guard_done(const struct stop *stop) {
    return guard_pid(stop->guard) == 0;
}

static void enter_workers(struct stop *stop) {
    fleet_event(stop->fleet, &roles[ROLE_WORKER], CHILD_DRAIN);
}

static void enter_settle(struct stop *stop) {
    int64_t left = stop->deadline_ms - hx_mono_ms() - OTHERS_MS;
    hx_timer_set(stop->timer, HX_MAX(HX_MIN(left, (int64_t)SETTLE_MAX_MS), (int64_t)SETTLE_MIN_MS));
}

static void enter_others(struct stop *stop) {
    fleet_event(stop->fleet, NULL, CHILD_DRAIN);
}

static void enter_orphans(struct stop *stop) {
    orphans_sweep(stop->orphans);
}

static void enter_guard(struct stop *stop) {
    guard_dismiss(stop->guard);
    hx_timer_set(stop->timer, GUARD_MS);
}

static void enter_done(struct stop *stop) {
    hx_loop_stop(stop->loop);
}

static void late_settle(struct stop *stop) {
    hx_warning(HX_EVENT("jobs.unsettled"),
               "%zu dead workers' jobs could not be settled in time, leaving them to the next start",
               deaths_unsettled(stop->deaths));
}

static void late_guard(struct stop *stop) {
    if (guard_pid(stop->guard) > 0)
        kill(guard_pid(stop->guard), SIGKILL);
}

static const struct {
    void (*enter)(struct stop *stop);
    bool (*done)(const struct stop *stop);
    void (*late)(struct stop *stop); /* the timer that enter set has fired */
    bool leave_late;                 /* the phase is over when it is late */
} phases[] = {
    [STOP_NOT] = { 0 },
    [STOP_WORKERS] = { .enter = enter_workers, .done = workers_done },
    [STOP_SETTLE] = { .enter = enter_settle, .done = settled, .late = late_settle, .leave_late = true },
    [STOP_OTHERS] = { .enter = enter_others, .done = others_done },
    [STOP_ORPHANS] = { .enter = enter_orphans, .done = orphans_done },
    [STOP_GUARD] = { .enter = enter_guard, .done = guard_done, .late = late_guard },
    [STOP_DONE] = { .enter = enter_done },
};
_Static_assert(HX_ARRAY_LEN(phases) == STOP_PHASES, "each phase has its row");

static void next_phase(struct stop *stop) {
    hx_timer_clear(stop->timer);
    stop->phase++;
    phases[stop->phase].enter(stop);
}

void stop_advance(struct stop *stop) {
    while (stop->phase != STOP_NOT && stop->phase != STOP_DONE && phases[stop->phase].done(stop))
        next_phase(stop);
}

static void on_timer(void *user) {
    struct stop *stop = user;
    if (phases[stop->phase].late)
        phases[stop->phase].late(stop);
    if (phases[stop->phase].leave_late)
        next_phase(stop);
    stop_advance(stop);
}

static void set_deadline(struct stop *stop, int64_t after_ms) {
    stop->deadline_ms = hx_mono_ms() + after_ms;
}

void stop_begin(struct stop *stop) {
    if (stop->phase != STOP_NOT)
        return;
    set_deadline(stop, stop->patience_ms);
    next_phase(stop);
    stop_advance(stop);
}

bool stop_hasten(struct stop *stop) {
    if (stop->haste == STOP_CUT)
        return false;
    stop->haste++;
    set_deadline(stop, 0);
    fleet_event(stop->fleet, &roles[ROLE_WORKER], stop->haste == STOP_CUT ? CHILD_END : CHILD_HURRY);
    stop_advance(stop);
    return true;
}

void stop_init(struct stop *stop) {
    stop->timer = hx_timer_new(stop->loop, on_timer, stop);
}

void stop_reset(struct stop *stop) {
    stop->timer = hx_timer_free(stop->timer);
}
