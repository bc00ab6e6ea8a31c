/* LD_PRELOAD: CLOCK_MONOTONIC is ahead by as many nanoseconds as the file HX_AHEAD says, eight bytes with a sign that may change at any
 * time. To whoever was stopped meanwhile it is as if the machine had stood still for so long; and where the file takes away what has
 * passed, as if it had been suspended, which CLOCK_MONOTONIC doesn't count and CLOCK_BOOTTIME does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

static const volatile int64_t *ahead_ns;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HX_AHEAD");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead_ns), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        ahead_ns = map;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t) {
    long r = syscall(SYS_clock_gettime, id, t);
    if (r == 0 && id == CLOCK_MONOTONIC && ahead_ns) {
        int64_t ns = (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec + *ahead_ns;
        *t = (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
    }
    return (int)r;
}
