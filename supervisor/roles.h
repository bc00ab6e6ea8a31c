/* The service table: which programs the fleet is made of, how many of each, and how each is kept alive. */
#pragma once

#include "lib/config/config.h"

#include <stdbool.h>

/* Permanent: whatever a child's end was, another one follows. At once first, then after pauses that double from base_ms up to the
 * configured longest; who lived for lived_long_ms starts from nothing again. */
struct restart_policy {
    int64_t base_ms, lived_long_ms;
};

enum role_id { ROLE_WORKER, ROLE_SCHEDULER, ROLES }; /* the API comes between them */

struct role {
    const char *name;    /* "worker" */
    const char *program; /* "heimdex-worker", beside our own program */
    enum hx_key count;   /* the key that says how many */
    bool runs_jobs; /* its evidence names jobs: its death is told to a scheduler; it drains before the others end */
    bool reaps;     /* it settles those deaths */
    int64_t end_ms; /* from TERM to KILL; 0: as long as jobs may take to drain */
    struct restart_policy restart;
};

extern const struct role roles[ROLES];

/* What is known of a slot's past. */
struct restart_history {
    unsigned short_lives; /* in a row */
};

/* The pause after a process that lived for lived_ms: 0 for the first of a series; else between half of the ceiling and the ceiling,
 * so that slots which died together don't come back together. */
int64_t restart_pause(const struct restart_policy *policy, struct restart_history *history, int64_t lived_ms,
                      int64_t max_ms);
/* True once in a series of short lives: when it has become long enough to be no accident. */
bool restart_loops(const struct restart_history *history);
