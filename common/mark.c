#include "common/mark.h"

#include "common/cleanup.h"
#include "common/sha256.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A limit that somebody set by hand isn't that high. The highest bit stays 0: programs may take a limit for a signed number. */
#define SET (UINT64_C(1) << 62)

uint64_t hx_mark_of_fleet(const char *control_socket, uint64_t pid_namespace) {
    struct hx_sha256 s;
    unsigned char hash[HX_SHA256_SIZE];
    hx_sha256_init(&s);
    hx_sha256_update(&s, control_socket, strlen(control_socket) + 1);
    hx_sha256_update(&s, &pid_namespace, sizeof pid_namespace);
    hx_sha256_end(&s, hash);
    return SET | (uint64_t)hash[0] << 54 | (uint64_t)hash[1] << 46 | (uint64_t)hash[2] << 38;
}

/* Pids stay below 2^22: PID_MAX_LIMIT. */
uint64_t hx_mark_of_worker(uint64_t mark, pid_t worker) {
    return (mark & HX_MARK_FLEET) | ((uint64_t)worker << 16 & ~HX_MARK_FLEET);
}

uint64_t hx_mark_of_run(uint64_t worker, uint64_t run) {
    return (worker & HX_MARK_WORKER) | (run & ~HX_MARK_WORKER);
}

uint64_t hx_mark_on(pid_t pid) {
    char path[48], text[4096];
    snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *line = strstr(text, "Max file locks");
    uint64_t hard; /* the soft limit may be lowered and raised at will */
    if (!line || sscanf(line, "Max file locks %*s %" SCNu64, &hard) != 1)
        return 0;
    return hard >> 62 == 1 ? hard : 0;
}

bool hx_mark_eq(uint64_t a, uint64_t b, uint64_t part) {
    return a && b && ((a ^ b) & part) == 0;
}
