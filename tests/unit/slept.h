/* A machine that was suspended, for an hour before the tests begin: CLOCK_BOOTTIME has gone on by this, and no other clock. Whoever
 * compares times of two clocks is an hour off. */
#pragma once

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t slept_ms = 3600 * 1000;

/* In the place of libc's. */
int clock_gettime(clockid_t id, struct timespec *t) {
    long r = syscall(SYS_clock_gettime, id, t);
    if (r == 0 && id == CLOCK_BOOTTIME) {
        int64_t ns = t->tv_nsec + slept_ms % 1000 * 1000000;
        t->tv_sec += slept_ms / 1000 + ns / 1000000000;
        t->tv_nsec = ns % 1000000000;
    }
    return (int)r;
}
