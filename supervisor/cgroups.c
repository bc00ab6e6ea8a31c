#include "supervisor/cgroups.h"

#include "common/cgroup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { LEFTOVERS_MS = 2000, PAUSE_MS = 5 };

struct cgroups {
    int own; /* -1: none */
    unsigned controllers;
    const char *why; /* there is none */
};

/* ---- the dead ---- */

static int end_one(int own, const char *name) {
    int group;
    if (hx_cgroup_remove(own, name) == 0)
        return 0;
    if (hx_cgroup_make(own, name, &group) < 0)
        return 0;
    hx_cgroup_kill(group);
    int lives = hx_cgroup_populated(group);
    close(group);
    return lives || hx_cgroup_remove(own, name) < 0;
}

static void end_worker(int own, const char *name, void *user) {
    int *lives = user;
    if (hx_startswith(name, "worker-"))
        *lives += end_one(own, name);
}

int cgroups_end_all(int own_group) {
    int lives = 0;
    hx_cgroup_each(own_group, end_worker, &lives);
    return lives;
}

static void worker_name(uint64_t generation, char name[32]) {
    snprintf(name, 32, "worker-%" PRIu64, generation);
}

int cgroups_end_worker(int own_group, uint64_t generation) {
    char name[32];
    worker_name(generation, name);
    return own_group >= 0 ? end_one(own_group, name) : 0;
}

int cgroups_end(const struct cgroups *c, uint64_t generation) {
    return c ? cgroups_end_worker(c->own, generation) : 0;
}

/* ---- ours ---- */

/* Two supervisors in one group would end each other's workers. */
static int move_in(int own, const char **reterr_why) {
    _cleanup_close_ int leaf = -1;
    int r = hx_cgroup_make(own, "supervisor", &leaf);
    *reterr_why = "no group can be made in the one of this process";
    if (r < 0)
        return r;
    *reterr_why = "another supervisor is in the cgroup of this process";
    if (hx_cgroup_populated(leaf))
        return -EBUSY;
    *reterr_why = "this process can't be moved inside its cgroup";
    return hx_cgroup_join(leaf);
}

static void end_leftovers(int own) {
    int64_t deadline = hx_mono_ms() + LEFTOVERS_MS;
    while (cgroups_end_all(own) > 0 && hx_mono_ms() < deadline)
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
}

struct cgroups *cgroups_new(void) {
    struct cgroups *c = hx_alloc(sizeof *c);
    _cleanup_close_ int own = -1;
    c->own = -1;
    if (hx_cgroup_own(&own, &c->why) < 0 || move_in(own, &c->why) < 0)
        return c;
    end_leftovers(own);
    c->controllers = hx_cgroup_hand_on(own);
    c->own = own;
    own = -1;
    return c;
}

struct cgroups *cgroups_free(struct cgroups *c) {
    if (!c)
        return NULL;
    if (c->own >= 0)
        close(c->own);
    free(c);
    return NULL;
}

int cgroups_fd(const struct cgroups *c) {
    return c->own;
}

/* ---- workers ---- */

static int open_worker(int own, const char *name, int *ret_group, int *ret_entrance) {
    _cleanup_close_ int self = -1;
    int r = hx_cgroup_make(own, name, ret_group);
    if (r < 0)
        return r;
    hx_cgroup_hand_on(*ret_group); /* before anybody is in it */
    r = hx_cgroup_make(*ret_group, "self", &self);
    if (r == 0)
        r = *ret_entrance = hx_cgroup_entrance(self);
    return r < 0 ? r : 0;
}

void cgroups_open(const struct cgroups *c, uint64_t generation, int *ret_group, int *ret_entrance) {
    char name[32];
    *ret_group = *ret_entrance = -1;
    if (!c || c->own < 0)
        return;
    worker_name(generation, name);
    int r = open_worker(c->own, name, ret_group, ret_entrance);
    if (r == 0)
        return;
    hx_warning(HX_EVENT("cgroups"), "cgroup %s: %s, going on without", name, strerror(-r));
    hx_close_p(ret_group);
    *ret_group = *ret_entrance = -1;
    hx_cgroup_remove(c->own, name);
}

/* ---- what is said of it ---- */

static bool has(const struct cgroups *c, unsigned controller) {
    return (c->controllers & controller) != 0;
}

static void report_missing(const struct cgroups *c) {
    static const struct {
        unsigned controller;
        const char *name, *instead;
    } rows[] = {
        { HX_CGROUP_MEMORY, "memory", "memory_max is for each process (RLIMIT_DATA)" },
        { HX_CGROUP_CPU, "cpu", "cpu_max is not limited" },
        { HX_CGROUP_PIDS, "pids", "tasks_max is counted ten times a second" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(rows); i++)
        if (!has(c, rows[i].controller))
            hx_notice(HX_EVENT("cgroups"), "cgroups of handlers have no %s controller here: %s", rows[i].name,
                      rows[i].instead);
}

void cgroups_report(const struct cgroups *c) {
    if (c->own >= 0)
        report_missing(c);
    else
        hx_notice(HX_EVENT("cgroups"),
                  "handlers have no cgroups of their own: %s; process groups instead, memory_max for each process "
                  "(RLIMIT_DATA), tasks_max counted ten times a second, cpu_max not limited",
                  c->why);
}

const char *cgroups_no_cpu(const struct cgroups *c) {
    if (has(c, HX_CGROUP_CPU))
        return NULL;
    return c->own >= 0 ? "its cgroup has no cpu controller" : c->why;
}
