#include "supervisor/roles.h"

#include "common/backoff.h"
#include "common/uuid.h"

#include <limits.h>

const struct role roles[] = {
    [ROLE_WORKER] = {
        .name = "worker",
        .program = "heimdex-worker",
        .count = HX_SUPERVISOR_WORKERS,
        .runs_jobs = true,
        .restart = { .base_ms = 200, .lived_long_ms = 10 * 1000 },
    },
    [ROLE_SCHEDULER] = {
        .name = "scheduler",
        .program = "heimdex-scheduler",
        .count = HX_SUPERVISOR_SCHEDULERS,
        .reaps = true,
        .end_ms = 2000,
        .restart = { .base_ms = 200, .lived_long_ms = 10 * 1000 },
    },
};
_Static_assert(HX_ARRAY_LEN(roles) == ROLES, "each role has its row");

enum { LOOP_LIVES = 5 };

int64_t restart_pause(const struct restart_policy *policy, struct restart_history *history, int64_t lived_ms,
                      int64_t max_ms) {
    if (lived_ms >= HX_MAX(policy->lived_long_ms, max_ms))
        history->short_lives = 0;
    int64_t ceiling = hx_backoff_ceiling(history->short_lives, policy->base_ms, max_ms);
    if (history->short_lives < UINT_MAX)
        history->short_lives++;
    return ceiling - (int64_t)(hx_random_u64() % (uint64_t)(ceiling / 2 + 1));
}

bool restart_loops(const struct restart_history *history) {
    return history->short_lives == LOOP_LIVES;
}
