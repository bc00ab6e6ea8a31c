/* A mark on a run's processes that they can't shed by hiding: neither setsid, nor a cleared environment, nor closed descriptors take it off.
 * It is RLIMIT_LOCKS, which Linux has kept for nothing since 2.4.25: 64 bits that every descendant inherits, that anybody may read in
 * /proc/PID/limits, and that nobody may raise (but CAP_SYS_RESOURCE). Only who lowers it on purpose is without.
 * It says: of which fleet, of which worker's process, of which of its runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How much of two marks is compared. */
#define HX_MARK_FLEET (~UINT64_C(0) << 38)
#define HX_MARK_WORKER (~UINT64_C(0) << 16)
#define HX_MARK_RUN (~UINT64_C(0))

/* The fleet by the path of its control socket, which one supervisor holds at a time, and by the PID namespace that it runs in
 * (hx_pid_namespace): a container's fleet may have the same path as the host's, which sees the container's processes. Never 0. */
uint64_t hx_mark_of_fleet(const char *control_socket, uint64_t pid_namespace);
/* The fleet's mark, or a worker's or a run's, for another worker. */
uint64_t hx_mark_of_worker(uint64_t mark, pid_t worker);
/* The mark of a worker's run. Numbers of runs come again after 65536. */
uint64_t hx_mark_of_run(uint64_t worker, uint64_t run);
/* The mark that a process bears, 0: none. */
uint64_t hx_mark_on(pid_t pid);
/* False for 0. */
bool hx_mark_eq(uint64_t a, uint64_t b, uint64_t part);
