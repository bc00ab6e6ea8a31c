/* The fleet's control groups, where the supervisor was given its own (Delegate=yes):
 *   supervisor/         supervisor, guard and schedulers
 *   worker-N/self/      a worker's process, N its generation
 *   worker-N/run-M/     a run of a program (worker/cgroup.h)
 * A dead worker's group is killed as a whole: nothing that it or its handlers started outlives it, however it hides. */
#pragma once

#include <stdint.h>

struct cgroups;

/* Moves this process into `supervisor`, and ends what an earlier supervisor left in the other groups. Never NULL: without a group of
 * our own it makes none. */
struct cgroups *cgroups_new(void);
struct cgroups *cgroups_free(struct cgroups *c);
/* Says what runs have instead of a group of their own, or of its limits. */
void cgroups_report(const struct cgroups *c);
/* Why cpu_max doesn't hold here (static); NULL: it does. */
const char *cgroups_no_cpu(const struct cgroups *c);
/* Of our own group; -1: none. It stays ours. */
int cgroups_fd(const struct cgroups *c);
/* Makes the group of a worker. *ret_group: the directory of it, *ret_entrance: where its process joins; both the caller's, -1 where
 * there is none. c may be NULL here and below. */
void cgroups_open(const struct cgroups *c, uint64_t generation, int *ret_group, int *ret_entrance);
/* Kills what lives in a dead worker's group: 1, or 0 when nothing does (any more) and the group is gone. */
int cgroups_end(const struct cgroups *c, uint64_t generation);
/* The same by a descriptor of the supervisor's group, -1: none. */
int cgroups_end_worker(int own_group, uint64_t generation);
/* Kills what lives in the groups of all workers; how many of them still live. */
int cgroups_end_all(int own_group);
