/* Who our direct children are. */
#include "common/cleanup.h"
#include "common/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

static void hx_closedir_p(DIR **dir) {
    if (*dir)
        closedir(*dir);
}

static FILE *open_in(const char *directory, const char *entry, const char *file) {
    char path[320];
    snprintf(path, sizeof(path), "%s/%s/%s", directory, entry, file);
    return fopen(path, "re");
}

/* Each thread has its own list: of the children that it made, and of the orphans that came to it. */
static int from_threads(pid_t *ret_pids, size_t max) {
    HX_CLEANUP(hx_closedir_p) DIR *tasks = opendir("/proc/self/task");
    size_t n = 0;
    bool any = false;
    if (!tasks)
        return -errno;
    for (const struct dirent *entry; n < max && (entry = readdir(tasks));) {
        int pid;
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        _cleanup_fclose_ FILE *list = open_in("/proc/self/task", entry->d_name, "children");
        any = any || list;
        while (list && n < max && fscanf(list, "%d", &pid) == 1)
            ret_pids[n++] = pid;
    }
    return any ? (int)n : -ENOSYS;
}

/* For kernels built without CONFIG_PROC_CHILDREN. The name in parentheses may hold anything, even parentheses. */
static int from_all_processes(pid_t *ret_pids, size_t max) {
    HX_CLEANUP(hx_closedir_p) DIR *proc = opendir("/proc");
    size_t n = 0;
    if (!proc)
        return -errno;
    for (const struct dirent *entry; n < max && (entry = readdir(proc));) {
        char line[512];
        int pid, parent;
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        _cleanup_fclose_ FILE *stat = open_in("/proc", entry->d_name, "stat");
        if (!stat || !fgets(line, sizeof(line), stat) || sscanf(line, "%d", &pid) != 1)
            continue;
        const char *behind_name = strrchr(line, ')');
        if (behind_name && sscanf(behind_name + 1, " %*c %d", &parent) == 1 && parent == getpid())
            ret_pids[n++] = pid;
    }
    return (int)n;
}

int hx_children(pid_t *ret_pids, size_t max) {
    int r = from_threads(ret_pids, max);
    return r == -ENOSYS ? from_all_processes(ret_pids, max) : r;
}
