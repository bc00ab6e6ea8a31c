/* Who descends from whom. */
#include "common/cleanup.h"
#include "common/process.h"
#include "common/text.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHILDREN_MAX = 4096 };

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

/* The name in parentheses may hold anything, even parentheses. -ESRCH: there is no such process, or it is hidden. */
static int parent_of(const char *pid) {
    char line[512];
    int parent;
    _cleanup_fclose_ FILE *stat = open_in("/proc", pid, "stat");
    if (!stat || !fgets(line, sizeof(line), stat))
        return -ESRCH;
    const char *behind_name = strrchr(line, ')');
    return behind_name && sscanf(behind_name + 1, " %*c %d", &parent) == 1 ? parent : -ESRCH;
}

/* For kernels built without CONFIG_PROC_CHILDREN. */
static int from_all_processes(pid_t *ret_pids, size_t max) {
    HX_CLEANUP(hx_closedir_p) DIR *proc = opendir("/proc");
    size_t n = 0;
    if (!proc)
        return -errno;
    for (const struct dirent *entry; n < max && (entry = readdir(proc));)
        if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == getpid())
            ret_pids[n++] = (pid_t)strtol(entry->d_name, NULL, 10);
    return (int)n;
}

int hx_children(pid_t *ret_pids, size_t max) {
    int r = from_threads(ret_pids, max);
    return r == -ENOSYS ? from_all_processes(ret_pids, max) : r;
}

struct pids {
    pid_t *v;
    size_t n, room;
};

static void push(struct pids *p, pid_t pid) {
    if (p->n == p->room) {
        p->room = p->room ? p->room * 2 : 64;
        p->v = hx_realloc(p->v, p->room * sizeof *p->v);
    }
    p->v[p->n++] = pid;
}

/* Without recursion: how deep it goes is the choice of strangers. */
size_t hx_tasks(pid_t root, size_t max) {
    struct pids left = { 0 };
    size_t n = 0;
    push(&left, root);
    while (left.n && n <= max) {
        char path[32];
        int child;
        snprintf(path, sizeof(path), "/proc/%d/task", (int)left.v[--left.n]);
        HX_CLEANUP(hx_closedir_p) DIR *tasks = opendir(path);
        for (const struct dirent *entry; tasks && n <= max && (entry = readdir(tasks));) {
            if (!isdigit((unsigned char)entry->d_name[0]))
                continue;
            n++;
            _cleanup_fclose_ FILE *list = open_in(path, entry->d_name, "children");
            while (list && left.n <= max && fscanf(list, "%d", &child) == 1)
                push(&left, (pid_t)child);
        }
    }
    free(left.v);
    return n;
}

static bool is_one_of(pid_t pid, const pid_t *pids, int n) {
    for (int i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

/* The first of pids that pid is or descends from. */
static pid_t first_above(pid_t pid, const pid_t *pids, int n) {
    while (pid > 0 && !is_one_of(pid, pids, n)) {
        char name[16];
        snprintf(name, sizeof(name), "%d", (int)pid);
        pid = pid == 1 ? 0 : parent_of(name);
    }
    return pid;
}

/* Only those between pid and our child are looked at in /proc, which with hidepid doesn't show that one. Nor our parent: a sender that is
 * above us is not below us. */
pid_t hx_child_above(pid_t pid) {
    static pid_t children[CHILDREN_MAX + 1];
    int n = hx_children(children, CHILDREN_MAX);
    pid_t parent = children[n < 0 ? 0 : n] = getppid();
    pid = first_above(pid, children, n < 0 ? 1 : n + 1);
    return pid == parent ? 0 : pid;
}

pid_t hx_descends(pid_t pid, pid_t ancestor) {
    return first_above(pid, &ancestor, 1);
}
