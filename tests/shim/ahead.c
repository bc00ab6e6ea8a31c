/* LD_PRELOAD: CLOCK_MONOTONIC is ahead by as many seconds as the file HX_AHEAD says, eight bytes that may change at any time. To
 * whoever was stopped meanwhile it is as if the machine had stood still for so long. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_s;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HX_AHEAD");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead_s), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        ahead_s = map;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t) {
    long r = syscall(SYS_clock_gettime, id, t);
    if (r == 0 && id == CLOCK_MONOTONIC && ahead_s)
        t->tv_sec += *ahead_s;
    return (int)r;
}
