#include "common/cgroup.h"

#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PERIOD_US = 100 * 1000, QUOTA_LEAST_US = 1000 };

/* ---- files of a group ---- */

static int open_in(int cgroup, const char *file, int flags) {
    int fd = openat(cgroup, file, flags | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static int put(int cgroup, const char *file, const char *text) {
    _cleanup_close_ int fd = open_in(cgroup, file, O_WRONLY);
    if (fd < 0)
        return fd;
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool put_number(int cgroup, const char *file, int64_t n) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, n);
    return put(cgroup, file, text) == 0;
}

static bool get(int cgroup, const char *file, char *text, size_t size) {
    _cleanup_close_ int fd = open_in(cgroup, file, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The number behind `key` at the beginning of a line; -1: none. */
static int64_t get_keyed(int cgroup, const char *file, const char *key) {
    char text[2048];
    size_t n = strlen(key);
    get(cgroup, file, text, sizeof text);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        int64_t value;
        if (strncmp(line, key, n) == 0 && sscanf(line + n, " %" SCNd64, &value) == 1)
            return value;
    }
    return -1;
}

/* ---- which one is ours ---- */

/* "0::/system.slice/heimdex-supervisor.service" */
static bool own_path(char *path, size_t size) {
    char line[4096];
    _cleanup_fclose_ FILE *list = fopen("/proc/self/cgroup", "re");
    while (list && fgets(line, sizeof line, list))
        if (hx_startswith(line, "0::/")) {
            line[strcspn(line, "\n")] = '\0';
            hx_strcopy(path, size, line + strlen("0::"));
            return true;
        }
    return false;
}

/* The path's directory below the first mount of the hierarchy that shows it: proc(5), mountinfo. */
static int open_path(const char *path) {
    char line[4096], root[1024], place[1024];
    _cleanup_fclose_ FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && fgets(line, sizeof line, mounts)) {
        const char *type = strstr(line, " - ");
        if (!type || !hx_startswith(type, " - cgroup2 ") || sscanf(line, "%*s %*s %*s %1023s %1023s", root, place) != 2)
            continue;
        size_t n = hx_streq(root, "/") ? 0 : strlen(root);
        if (strncmp(path, root, n) != 0 || path[n] != '/')
            continue;
        _cleanup_free_ char *directory = hx_printf("%s%s", place, path + n);
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
    }
    return -ENOENT;
}

/* Who may read user.* may not read trusted.*, and older systemds set only that. */
static bool is_delegated(int cgroup) {
    char value[2] = "";
    return (fgetxattr(cgroup, "user.delegate", value, 1) == 1 ||
            fgetxattr(cgroup, "trusted.delegate", value, 1) == 1) &&
           value[0] == '1';
}

int hx_cgroup_own(int *ret, const char **reterr_why) {
    char path[4096];
    if (!own_path(path, sizeof path)) {
        *reterr_why = "the system has no cgroup v2";
        return -ENOENT;
    }
    _cleanup_close_ int fd = open_path(path);
    *reterr_why = "the cgroup of this process can't be opened";
    if (fd < 0)
        return fd;
    *reterr_why = "the cgroup of this process wasn't delegated to it (Delegate=yes)";
    if (!is_delegated(fd))
        return -EPERM;
    *reterr_why = "the kernel has no cgroup.kill (Linux 5.14)";
    if (faccessat(fd, "cgroup.kill", F_OK, 0) < 0)
        return -errno;
    *ret = fd;
    fd = -1;
    return 0;
}

/* ---- making and joining ---- */

int hx_cgroup_make(int parent, const char *name, int *ret) {
    if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    int fd = open_in(parent, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    *ret = fd;
    return 0;
}

int hx_cgroup_entrance(int cgroup) {
    return open_in(cgroup, "cgroup.procs", O_WRONLY);
}

int hx_cgroup_join(int cgroup) {
    return put(cgroup, "cgroup.procs", "0");
}

/* One by one: a word that can't be had would refuse them all. */
unsigned hx_cgroup_hand_on(int cgroup) {
    static const char *const words[] = { "+memory", "+cpu", "+pids" };
    unsigned handed_on = 0;
    for (size_t i = 0; i < HX_ARRAY_LEN(words); i++)
        if (put(cgroup, "cgroup.subtree_control", words[i]) == 0)
            handed_on |= 1U << i;
    return handed_on;
}

/* ---- limits and use ---- */

static bool limit_memory(int cgroup, int64_t max) {
    if (!put_number(cgroup, "memory.max", max))
        return false;
    put(cgroup, "memory.swap.max", "0"); /* there is none without swap accounting */
    put(cgroup, "memory.oom.group", "1");
    return true;
}

static bool limit_cpu(int cgroup, double cores) {
    char text[64];
    int64_t quota = (int64_t)(cores * PERIOD_US);
    snprintf(text, sizeof text, "%" PRId64 " %d", HX_MAX(quota, (int64_t)QUOTA_LEAST_US), PERIOD_US);
    return put(cgroup, "cpu.max", text) == 0;
}

unsigned hx_cgroup_limit(int cgroup, const struct hx_cgroup_limits *limits) {
    unsigned set = 0;
    if (limits->memory_max > 0 && limit_memory(cgroup, limits->memory_max))
        set |= HX_CGROUP_MEMORY;
    if (limits->cpu_max > 0 && limit_cpu(cgroup, limits->cpu_max))
        set |= HX_CGROUP_CPU;
    if (limits->tasks_max > 0 && put_number(cgroup, "pids.max", limits->tasks_max))
        set |= HX_CGROUP_PIDS;
    return set;
}

struct hx_cgroup_usage hx_cgroup_usage(int cgroup) {
    return (struct hx_cgroup_usage){
        .memory_peak = get_keyed(cgroup, "memory.peak", ""),
        .cpu_us = get_keyed(cgroup, "cpu.stat", "usage_usec"),
        .out_of_memory = get_keyed(cgroup, "memory.events", "oom_kill ") > 0,
        .out_of_tasks = get_keyed(cgroup, "pids.events", "max ") > 0,
    };
}

/* ---- the end ---- */

int hx_cgroup_kill(int cgroup) {
    return put(cgroup, "cgroup.kill", "1");
}

bool hx_cgroup_populated(int cgroup) {
    return get_keyed(cgroup, "cgroup.events", "populated ") == 1;
}

void hx_cgroup_each(int cgroup, void (*cb)(int cgroup, const char *name, void *user), void *user) {
    int fd = open_in(cgroup, ".", O_RDONLY | O_DIRECTORY);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_type == DT_DIR && !hx_streq(entry->d_name, ".") && !hx_streq(entry->d_name, ".."))
            cb(cgroup, entry->d_name, user);
    if (directory)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
}

static void remove_one(int cgroup, const char *name, void *user) {
    (void)user;
    hx_cgroup_remove(cgroup, name);
}

/* Groups nest only as deep as we made them, or a handler: the kernel's cgroup.max.depth is for that. */
int hx_cgroup_remove(int parent, const char *name) {
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    _cleanup_close_ int fd = open_in(parent, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    hx_cgroup_each(fd, remove_one, NULL);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}
