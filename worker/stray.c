#include "common/process.h"
#include "worker/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* A handler's daemonised grandchildren come to us, because the worker is a subreaper. They carry their job's id in the environment
 * they were started with: what names a job that isn't running here any more is ended. One that cleaned its environment is left to
 * the supervisor, which ends everything when the worker does. */

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

static bool runs_here(struct worker *w, const struct hx_uuid *id) {
    const struct run *run = run_find(w, id);
    return run && !run->ended;
}

void exec_kill_strays(struct worker *w) {
    pid_t children[256];
    int n = hx_children(children, HX_ARRAY_LEN(children));
    for (int i = 0; i < n; i++) {
        struct hx_uuid job;
        if (!is_handler(w, children[i]) && job_of(children[i], &job) && !runs_here(w, &job))
            kill(children[i], SIGKILL);
    }
}
