/* Control groups of the unified hierarchy (cgroup v2), each named by a descriptor of its directory.
 * https://docs.kernel.org/admin-guide/cgroup-v2.html */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum hx_cgroup_controller { HX_CGROUP_MEMORY = 1, HX_CGROUP_CPU = 2, HX_CGROUP_PIDS = 4 };

/* Opens the group that this process is in, if the tree below it was handed over to us: systemd marks what Delegate=yes hands over with
 * the attribute user.delegate. 0, or -errno with *reterr_why in words (static). */
int hx_cgroup_own(int *ret, const char **reterr_why);
/* Makes the group `name` in `parent`, or opens it where it is there already. 0 or -errno. */
int hx_cgroup_make(int parent, const char *name, int *ret);
/* A descriptor on which a process that writes "0" joins the group. Or -errno. */
int hx_cgroup_entrance(int cgroup);
/* This process joins. 0 or -errno. */
int hx_cgroup_join(int cgroup);
/* Hands what it has of the three controllers on to the groups in it, which from then on can be limited; with memory, no process may be in
 * it itself. Returns those that were handed on. */
unsigned hx_cgroup_hand_on(int cgroup);

/* 0: no limit. */
struct hx_cgroup_limits {
    int64_t memory_max; /* bytes; over it all its processes are killed. Nothing of it is swapped out */
    double cpu_max;     /* cores */
    int64_t tasks_max;  /* processes and threads; there can't be more */
};
/* Sets those of the limits whose controllers it has; which ones were set. */
unsigned hx_cgroup_limit(int cgroup, const struct hx_cgroup_limits *limits);

struct hx_cgroup_usage {
    int64_t memory_peak; /* bytes, -1: not known */
    int64_t cpu_us;      /* -1: not known */
    bool out_of_memory;  /* a process of it was killed for memory_max */
    bool out_of_tasks;   /* it wanted more than tasks_max */
};
/* Of all processes that ever were in it. What can't be read is not known, or false. */
struct hx_cgroup_usage hx_cgroup_usage(int cgroup);

/* Kills every process in it and below, those that are being forked too. 0 or -errno. */
int hx_cgroup_kill(int cgroup);
/* A process lives in it or below; one that waits to be reaped doesn't count. */
bool hx_cgroup_populated(int cgroup);
/* Removes the group `name` of `parent`, and those in it. 0, also where there is none, or -errno: -EBUSY while a process lives there. */
int hx_cgroup_remove(int parent, const char *name);
/* Calls back with the name of each group in it; user as given. */
void hx_cgroup_each(int cgroup, void (*cb)(int cgroup, const char *name, void *user), void *user);
