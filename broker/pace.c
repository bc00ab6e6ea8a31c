#include "broker/pace.h"

#include "common/text.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOMENT_MS = 100 };

static _Thread_local bool quick;
static _Thread_local int64_t lived_ns;            /* what its clock says */
static _Thread_local int64_t looked_ns, waits_ns; /* when it looked last, and how long it has meant to wait since */

static rd_kafka_resp_err_t on_thread_start(rd_kafka_t *rk, rd_kafka_thread_type_t type, const char *name, void *user) {
    (void)rk, (void)type, (void)user;
    quick = strcmp(name, "mock") == 0;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *user, char *errstr, size_t size) {
    (void)conf, (void)errstr, (void)size;
    return rd_kafka_interceptor_add_on_thread_start(rk, "pace", on_thread_start, user);
}

void hx_pace_quicken(rd_kafka_conf_t *conf) {
    rd_kafka_conf_interceptor_add_on_new(conf, "pace", on_new, NULL);
}

/* Its time stands still when it does, but for a moment: a mock cluster forgets members that wait for the end of a rebalance a second too
 * long, without a word to them, which would be a quarter of a second of anybody's machine. */
static int64_t live_until(int64_t now_ns) {
    if (looked_ns == 0)
        lived_ns = now_ns * HX_PACE;
    else
        lived_ns += HX_MIN(now_ns - looked_ns, waits_ns + MOMENT_MS * 1000000L) * HX_PACE;
    looked_ns = now_ns;
    waits_ns = 0;
    return lived_ns;
}

/* In the place of libc's, as is poll: librdkafka finds these first. The calendar's time stays what it is. */
int clock_gettime(clockid_t clock, struct timespec *ret) {
    int r = (int)syscall(SYS_clock_gettime, clock, ret);
    if (r == 0 && quick && clock == CLOCK_MONOTONIC) {
        int64_t ns = live_until(ret->tv_sec * 1000000000L + ret->tv_nsec);
        *ret = (struct timespec){ .tv_sec = ns / 1000000000L, .tv_nsec = ns % 1000000000L };
    }
    return r;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    if (quick && timeout_ms > 0) {
        timeout_ms = (timeout_ms + HX_PACE - 1) / HX_PACE;
        waits_ns += timeout_ms * 1000000L;
    }
    struct timespec timeout = { .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L };
    return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}
