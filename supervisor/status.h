/* STATUS= in words a person understands. */
#pragma once

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

/* The fleet at a glance. */
struct status_view {
    bool ready; /* READY=1 was said */
    bool stopping;
    unsigned workers, workers_working, workers_alive;
    unsigned schedulers, schedulers_working, schedulers_alive;
    unsigned workers_leaving; /* replaced by a reload, finishing what they run */
    unsigned running;         /* jobs */
    unsigned restarts;
    unsigned unsettled; /* deaths that no scheduler has answered */
    int64_t now_ms;
    const char *waiting; /* what one of them waits for and can't work without, or NULL; why, or NULL; since when */
    const char *detail;
    int64_t waiting_ms;
    const char *without; /* what is away though they can work, or NULL; since when */
    int64_t without_ms;
    const char *paused; /* role of one that waits for its restart, or NULL; its slot and the pause */
    int paused_slot;
    int64_t paused_ms;
    bool reloading;
    const char *refused; /* why the last reload was, or NULL */
};

/* "2 workers, 12 jobs running"; "starting: waiting for PostgreSQL at … for 40 s: Connection refused"; "1 of 2 workers, …, worker 1 starts
 * again in 400ms". */
void status_text(const struct status_view *v, struct hx_buf *out);
