#include "worker/tasks.h"

#include "common/process.h"
#include "worker/cgroup.h"
#include "worker/exec.h"

enum { PAUSE_MS = 100, CHILDREN_MAX = 4096 };

static bool watched(const struct run *run) {
    return run->handler->tasks_max && run->exec && !run->ended;
}

/* The program's, and what it left to us: daemons, and orphans in its group. */
static size_t tasks_of(const struct run *run, const pid_t *children, int n, size_t max) {
    size_t tasks = hx_tasks(run->evidence->pgid, max);
    for (int i = 0; i < n && tasks <= max; i++)
        if (exec_left_by(children[i], run))
            tasks += hx_tasks(children[i], max - tasks);
    return tasks;
}

/* The kernel refuses the one too many, where it counts; the run ends for having wanted it all the same. */
static bool has_too_many(const struct run *run, const pid_t *children, int n) {
    size_t max = (size_t)run->handler->tasks_max;
    if (cgroup_limits(run->cgroup, HX_CGROUP_PIDS))
        return cgroup_usage(run->cgroup).out_of_tasks;
    return tasks_of(run, children, n, max) > max;
}

static void check(struct run *run, const pid_t *children, int n) {
    char why[64];
    if (!has_too_many(run, children, n))
        return;
    snprintf(why, sizeof why, "more than %lld processes and threads", (long long)run->handler->tasks_max);
    run_stop(run, STOP_TASKS, why);
    exec_kill(run);
}

static void look(void *user) {
    struct worker *w = user;
    pid_t children[CHILDREN_MAX];
    int n = hx_children(children, CHILDREN_MAX);
    for (struct run *run = w->runs; run; run = run->next)
        if (watched(run)) {
            check(run, children, n);
            hx_timer_set(w->tasks_timer, PAUSE_MS);
        }
}

void tasks_watch(struct run *run) {
    struct worker *w = run->worker;
    if (!watched(run))
        return;
    if (!w->tasks_timer)
        w->tasks_timer = hx_timer_new(w->loop, look, w);
    if (!hx_timer_armed(w->tasks_timer))
        hx_timer_set(w->tasks_timer, PAUSE_MS);
}
