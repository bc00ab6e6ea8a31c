#include "common/mark.h"
#include "common/process.h"
#include "worker/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A handler's daemonised grandchildren come to us, because the worker is a subreaper. They bear the mark of their run: where that has ended,
 * they are ended. One that has lost it carries its job's id in the environment it was started with, and is ended when that job isn't
 * running here any more. Of one that cleaned its environment, too, it is known that its handler had started before it was first seen
 * here: when none of those runs any more, it is ended as well. */

enum { CHILDREN_MAX = 4096 };

struct stray {
    pid_t pid;
    uint64_t program; /* the last one that had started when it was first seen */
};

struct strays {
    size_t n;
    struct stray v[];
};

static bool is_handler(const struct worker *w, pid_t pid) {
    for (const struct run *run = w->runs; run; run = run->next)
        if (!run->ended && run->evidence && run->evidence->pgid == pid)
            return true;
    return false;
}

/* The job id in /proc/PID/environ; false when there is none. */
static bool job_of(pid_t pid, struct hx_uuid *ret) {
    char path[64], text[16384];
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return false;
    text[n] = '\0';
    static const char name[] = "HEIMDEX_JOB_ID=";
    for (const char *v = text; v < text + n; v += strlen(v) + 1)
        if (hx_startswith(v, name))
            return hx_uuid_parse(v + sizeof name - 1, ret) == 0;
    return false;
}

const struct run *exec_marked(const struct worker *w, uint64_t mark) {
    const struct run *run = w->runs;
    while (run && !(run->exec && !run->ended && run->mark == mark))
        run = run->next;
    return run;
}

bool exec_left_by(pid_t child, const struct run *run) {
    struct hx_uuid job;
    uint64_t mark = hx_mark_on(child);
    if (child == run->evidence->pgid)
        return false;
    if (hx_mark_eq(mark, run->mark, HX_MARK_WORKER))
        return mark == run->mark;
    return getpgid(child) == run->evidence->pgid || (job_of(child, &job) && hx_uuid_eq(&job, &run->id));
}

static bool runs_here(struct worker *w, const struct hx_uuid *id) {
    const struct run *run = run_find(w, id);
    return run && !run->ended;
}

static uint64_t first_seen(const struct worker *w, pid_t pid) {
    for (size_t i = 0; w->strays && i < w->strays->n; i++)
        if (w->strays->v[i].pid == pid)
            return w->strays->v[i].program;
    return w->programs;
}

/* Of the programs that run here. */
static uint64_t oldest_program(const struct worker *w) {
    uint64_t oldest = UINT64_MAX;
    for (const struct run *run = w->runs; run; run = run->next)
        if (run->exec && !run->ended)
            oldest = HX_MIN(oldest, run->program);
    return oldest;
}

static bool may_live(struct worker *w, const struct stray *stray, uint64_t oldest) {
    struct hx_uuid job;
    uint64_t mark = hx_mark_on(stray->pid);
    if (hx_mark_eq(mark, w->mark, HX_MARK_WORKER))
        return exec_marked(w, mark);
    return job_of(stray->pid, &job) ? runs_here(w, &job) : stray->program >= oldest;
}

void exec_kill_strays(struct worker *w) {
    pid_t children[CHILDREN_MAX];
    w->strays_due = false;
    int n = hx_children(children, HX_ARRAY_LEN(children));
    uint64_t oldest = oldest_program(w);
    struct strays *seen = hx_alloc(sizeof *seen + (size_t)HX_MAX(n, 0) * sizeof *seen->v);
    for (int i = 0; i < n; i++) {
        if (is_handler(w, children[i]))
            continue;
        struct stray stray = { .pid = children[i], .program = first_seen(w, children[i]) };
        if (!may_live(w, &stray, oldest))
            kill(stray.pid, SIGKILL);
        seen->v[seen->n++] = stray;
    }
    free(w->strays);
    w->strays = seen;
}
