/* A control group of the unified hierarchy for one test, where this process may make one: as root, or in a tree that it was given. */
#pragma once

#include "common/cgroup.h"
#include "common/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int cgroup_fd = -1;
static char cgroup_name[64];
static char cgroup_path[1280];

/* The directory of this process's own group. */
static inline bool cgroup_place(char *place, size_t size) {
    char line[4096], own[512] = "", mount[512] = "";
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f))
        if (hx_startswith(line, "0::/"))
            sscanf(line, "0::%511s", own);
    if (f)
        fclose(f);
    f = fopen("/proc/self/mountinfo", "re");
    while (f && !*mount && fgets(line, sizeof line, f))
        if (strstr(line, " - cgroup2 "))
            sscanf(line, "%*s %*s %*s %*s %511s", mount);
    if (f)
        fclose(f);
    snprintf(place, size, "%s%s", mount, hx_streq(own, "/") ? "" : own);
    return *own && *mount;
}

static inline int cgroup_open(void **s) {
    char place[1100];
    (void)s;
    cgroup_fd = -1;
    if (!cgroup_place(place, sizeof place))
        return 0;
    int above = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0)
        hx_cgroup_hand_on(above); /* most likely they are */
    close(above);
    snprintf(cgroup_name, sizeof cgroup_name, "hx-test-%d", (int)getpid());
    snprintf(cgroup_path, sizeof cgroup_path, "%s/%s", place, cgroup_name);
    if (mkdir(cgroup_path, 0755) == 0)
        cgroup_fd = open(cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return 0;
}

static inline int cgroup_close(void **s) {
    (void)s;
    if (cgroup_fd < 0)
        return 0;
    hx_cgroup_kill(cgroup_fd);
    for (int i = 0; i < 5000 && hx_cgroup_populated(cgroup_fd); i++)
        usleep(1000);
    close(cgroup_fd);
    for (int i = 0; i < 5000 && hx_cgroup_remove(AT_FDCWD, cgroup_path) < 0; i++)
        usleep(1000);
    return access(cgroup_path, F_OK) == 0 ? -1 : 0;
}

/* As systemd marks what Delegate=yes hands over. */
static inline void cgroup_delegate(void) {
    if (fsetxattr(cgroup_fd, "user.delegate", "1", 1, 0) < 0)
        perror("user.delegate");
}

#define cgroup_or_skip()                                                          \
    do {                                                                          \
        if (cgroup_fd < 0) {                                                      \
            fprintf(stderr, "skipped: no control group (v2) can be made here\n"); \
            skip();                                                               \
        }                                                                         \
    } while (0)
