/* The control group of a run. Where this worker was given a group (supervisor/cgroups.h), each program runs in one of its own in there:
 * what it may use is limited and counted as a whole, and what it leaves behind ends with it. */
#pragma once

#include "common/cgroup.h"
#include "worker/run.h"

struct cgroup;

/* The worker's runs get groups in `group` from now on; it is taken over. */
void cgroups_start(struct worker *w, int group);
/* After the last run. */
struct cgroups *cgroups_free(struct cgroups *cs);

/* With the limits of its handler, as far as the group's controllers go. NULL: this worker has no group, or it can't be made, which is
 * said once; the run does without. */
struct cgroup *cgroup_new(struct run *run);
/* Kills what is in it. The group is removed when nothing of that lives any more. NULL is fine; returns NULL. */
struct cgroup *cgroup_free(struct cgroup *c);
/* Where a process joins it: hx_spawn's. Closed with the group, or by cgroup_shut. */
int cgroup_entrance(const struct cgroup *c);
void cgroup_shut(struct cgroup *c);
/* A process is about to join, and that will take the kernel a grace period of RCU, 10 ms and more. After it others join quickly, until such
 * a period has passed again. */
bool cgroup_joins_slowly(struct cgroup *c);
/* The handler's limit that needs this controller is set, and kept here. c may be NULL here and below. */
bool cgroup_limits(const struct cgroup *c, enum hx_cgroup_controller controller);
void cgroup_kill(const struct cgroup *c);
struct hx_cgroup_usage cgroup_usage(const struct cgroup *c);
