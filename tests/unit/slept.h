/* A machine that was suspended, for an hour before the tests begin: CLOCK_BOOTTIME has gone on by this, and no other clock. Whoever
 * compares times of two clocks is an hour off. And a clock that stands still, for what depends on how much time has passed. */
#pragma once

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t slept_ms = 3600 * 1000;
static clockid_t stopped = -1;
static struct timespec stopped_at;

/* No time passes on that clock any more but what slept_ms is told, however busy this machine is. */
static inline void stop_clock(clockid_t id) {
    syscall(SYS_clock_gettime, id, &stopped_at);
    stopped = id;
}

static inline void start_clock(void) {
    stopped = -1;
}

/* In the place of libc's. */
int clock_gettime(clockid_t id, struct timespec *t) {
    long r = id == stopped ? 0 : syscall(SYS_clock_gettime, id, t);
    if (id == stopped)
        *t = stopped_at;
    if (r == 0 && id == CLOCK_BOOTTIME) {
        int64_t ns = t->tv_nsec + slept_ms % 1000 * 1000000;
        t->tv_sec += slept_ms / 1000 + ns / 1000000000;
        t->tv_nsec = ns % 1000000000;
    }
    return (int)r;
}
