#include "worker/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REMOVE_MS = 50, QUICK_MS = 20 };

/* Of a worker. */
struct cgroups {
    struct hx_loop *loop;
    int group;
    bool complained;
    int64_t joined_ms; /* when a program last did */
    uint64_t *left;    /* numbers of those in which something was still dying when its run had ended */
    size_t left_count;
    struct hx_timer *timer;
};

struct cgroup {
    struct cgroups *all;
    uint64_t number;
    int fd, entrance;
    unsigned limits;
};

static void name_of(uint64_t number, char name[32]) {
    snprintf(name, 32, "run-%" PRIu64, number);
}

static bool removed(const struct cgroups *cs, uint64_t number) {
    char name[32];
    name_of(number, name);
    return hx_cgroup_remove(cs->group, name) == 0;
}

static void remove_left(void *user) {
    struct cgroups *cs = user;
    size_t kept = 0;
    for (size_t i = 0; i < cs->left_count; i++)
        if (!removed(cs, cs->left[i]))
            cs->left[kept++] = cs->left[i];
    cs->left_count = kept;
    if (kept)
        hx_timer_set(cs->timer, REMOVE_MS);
}

static void remove_later(struct cgroups *cs, uint64_t number) {
    cs->left = hx_realloc(cs->left, (cs->left_count + 1) * sizeof *cs->left);
    cs->left[cs->left_count++] = number;
    if (!hx_timer_armed(cs->timer))
        hx_timer_set(cs->timer, 0);
}

void cgroups_start(struct worker *w, int group) {
    struct cgroups *cs = w->cgroups = hx_alloc(sizeof *cs);
    *cs = (struct cgroups){ .loop = w->loop, .group = group };
    cs->timer = hx_timer_new(w->loop, remove_left, cs);
}

/* The groups themselves are left to the supervisor, who waits until they are empty. */
struct cgroups *cgroups_free(struct cgroups *cs) {
    if (!cs)
        return NULL;
    hx_timer_free(cs->timer);
    close(cs->group);
    free(cs->left);
    free(cs);
    return NULL;
}

static int open_group(struct cgroups *cs, struct cgroup *c) {
    char name[32];
    name_of(c->number, name);
    int r = hx_cgroup_make(cs->group, name, &c->fd);
    if (r == 0)
        r = c->entrance = hx_cgroup_entrance(c->fd);
    return r < 0 ? r : 0;
}

struct cgroup *cgroup_new(struct run *run) {
    struct cgroups *cs = run->worker->cgroups;
    const struct handler *h = run->handler;
    if (!cs)
        return NULL;
    struct cgroup *c = hx_alloc(sizeof *c);
    *c = (struct cgroup){ .all = cs, .number = run->program, .fd = -1, .entrance = -1 };
    int r = open_group(cs, c);
    if (r < 0) {
        if (!cs->complained)
            hx_warning(run_ctx(run), "cgroup of the run: %s, going on without, and without saying so again",
                       strerror(-r));
        cs->complained = true;
        return cgroup_free(c);
    }
    c->limits = hx_cgroup_limit(
        c->fd,
        &(struct hx_cgroup_limits){ .memory_max = h->memory_max, .cpu_max = h->cpu_max, .tasks_max = h->tasks_max });
    return c;
}

struct cgroup *cgroup_free(struct cgroup *c) {
    if (!c)
        return NULL;
    cgroup_kill(c);
    cgroup_shut(c);
    hx_close_p(&c->fd);
    if (!removed(c->all, c->number))
        remove_later(c->all, c->number);
    free(c);
    return NULL;
}

int cgroup_entrance(const struct cgroup *c) {
    return c ? c->entrance : -1;
}

bool cgroup_joins_slowly(struct cgroup *c) {
    if (!c)
        return false;
    int64_t before = c->all->joined_ms;
    c->all->joined_ms = hx_mono_ms();
    return c->all->joined_ms - before > QUICK_MS;
}

void cgroup_shut(struct cgroup *c) {
    if (!c)
        return;
    hx_close_p(&c->entrance);
    c->entrance = -1;
}

bool cgroup_limits(const struct cgroup *c, enum hx_cgroup_controller controller) {
    return c && (c->limits & controller);
}

void cgroup_kill(const struct cgroup *c) {
    if (c && c->fd >= 0)
        hx_cgroup_kill(c->fd);
}

struct hx_cgroup_usage cgroup_usage(const struct cgroup *c) {
    return c ? hx_cgroup_usage(c->fd) : (struct hx_cgroup_usage){ .memory_peak = -1, .cpu_us = -1 };
}
