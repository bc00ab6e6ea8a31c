#include "worker/exec.h"

#include "common/mark.h"
#include "common/process.h"
#include "worker/cgroup.h"
#include "worker/environment.h"
#include "worker/judge.h"
#include "worker/message.h"
#include "worker/outcome.h"
#include "worker/output.h"
#include "worker/spent.h"
#include "worker/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a run may put into the log, where a line counts for its own bytes and at least so many, the longest line that is looked at as a message, and how many stages are events whatever comes behind. */
enum { LOGGED_MAX = 256 * 1024, LOGGED_LEAST = 64, LOGGED_LINE = 8192, MESSAGE_LINE = 1024 * 1024, STAGES_MAX = 1000 };

struct exec {
    pid_t pid; /* of the child and its group; 0 once reaped */
    struct output *out, *err;
    bool told;    /* that it was started */
    int executed; /* ends when it is, where that isn't known yet; else -1 */
    struct hx_watch *execution;
    size_t logged;
    long own_rss_kb;     /* this worker's largest size until it was started */
    struct message said; /* the last result, error, snooze, cancel of its messages */
    char *stage;         /* the last that was told: the same one again is only progress */
    unsigned stages;
    char wrong[160]; /* a message that could not be read: the run fails for it */
};

static void tell_started(struct run *run) {
    struct exec *x = run->exec;
    x->execution = hx_watch_free(x->execution);
    hx_close_p(&x->executed);
    x->executed = -1; /* each line that the program prints comes by here */
    if (x->told || run->evidence->pgid < 0)
        return;
    x->told = true;
    struct hx_log_ctx ctx = *run_ctx(run);
    ctx.event = "job.started";
    hx_info(&ctx, "started %s as pid %d", run->handler->exec[0], (int)x->pid);
}

static void executed(int fd, uint32_t events, void *user) {
    (void)fd, (void)events;
    tell_started(user);
}

static void log_line(struct run *run, const char *event, const char *line, size_t n, bool cut) {
    struct exec *x = run->exec;
    tell_started(run);
    if (x->logged > LOGGED_MAX) {
        run->output_truncated = true;
        return;
    }
    struct hx_log_ctx ctx = *run_ctx(run);
    ctx.event = event;
    ctx.output = true;
    x->logged += HX_MAX(n + 1, (size_t)LOGGED_LEAST);
    if (x->logged > LOGGED_MAX) {
        run->output_truncated = true;
        hx_notice(&ctx, "more than %d KiB of output, ignoring the rest", LOGGED_MAX / 1024);
        return;
    }
    cut |= n > LOGGED_LINE;
    hx_info(&ctx, "%.*s%s", (int)HX_MIN(n, (size_t)LOGGED_LINE), line, cut ? " …" : "");
}

static void replace(char **slot, char **value) {
    if (*value) {
        free(*slot);
        *slot = *value;
        *value = NULL;
    }
}

/* Stage and progress go on at once; of the rest the last word counts, at the end. */
static void heed(struct run *run, struct message *m) {
    struct exec *x = run->exec;
    if (m->stage || m->progress >= 0) {
        _cleanup_buf_ struct hx_buf b = { 0 };
        hx_buf_printf(&b, "{\"attempt\":%d", run->attempt);
        if (m->stage) {
            hx_buf_puts(&b, ",\"stage\":");
            hx_buf_json_string(&b, m->stage, SIZE_MAX);
        }
        if (m->progress >= 0)
            hx_buf_printf(&b, ",\"progress\":%d", m->progress);
        hx_buf_putc(&b, '}');
        bool fresh = m->stage && !hx_streq(m->stage, x->stage) && x->stages++ < STAGES_MAX;
        run_tell(run, hx_buf_take(&b), fresh);
        replace(&x->stage, &m->stage);
    }
    replace(&x->said.result, &m->result);
    replace(&x->said.cancel, &m->cancel);
    if (m->snooze_ms >= 0)
        x->said.snooze_ms = m->snooze_ms;
    if (m->error) {
        x->said.error = true;
        replace(&x->said.error_code, &m->error_code);
        replace(&x->said.error_message, &m->error_message);
        x->said.retry = m->retry;
        x->said.retry_after_ms = m->retry_after_ms;
    }
}

static void out_line(const char *line, size_t n, bool cut, void *user) {
    struct run *run = user;
    struct message m;
    char why[120];
    int r = message_parse(line, n, &m, why, sizeof why);
    if (r <= 0)
        log_line(run, "handler.stdout", line, n, cut);
    if (r == 1 || r == -EINVAL)
        heed(run, &m);
    if (r == -EBADMSG) /* what it says can't be kept, and mustn't vanish without a word */
        snprintf(run->exec->wrong, sizeof run->exec->wrong, "message: %s", cut ? "longer than 1 MiB" : why);
    else if (r < 0 && !run->output_truncated)
        hx_warning(run_ctx(run), "message: %s, ignoring", why);
    message_reset(&m);
}

static void err_line(const char *line, size_t n, bool cut, void *user) {
    log_line(user, "handler.stderr", line, n, cut);
}

/* ---- its end ---- */

/* Never the job's fault, and rarely for good: descriptors may be short, and a program that is being replaced is away, unfinished or still
 * open for writing. The job's attempts bound it. */
static void not_started(struct run *run, int error) {
    char message[256];
    snprintf(message, sizeof message, "%s: %s", run->handler->exec[0], strerror(-error));
    hx_error(run_event(run, "job.not_started"), "the handler can't be started: %s", message);
    run->cgroup = cgroup_free(run->cgroup);
    outcome_failure(run,
                    &(struct failure){ .code = "spawn", .message = message, .retry = RETRY_YES, .retry_after_ms = -1 });
    run_end(run);
}

static void exited(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct run *run = user;
    struct exec *x = run->exec;
    tell_started(run);
    hx_kill_group(pid, SIGKILL); /* what the handler left in its group ends with it */
    struct spent spent = spent_take_stock(run, usage, x->own_rss_kb);
    run->cgroup = cgroup_free(run->cgroup);
    x->pid = 0;
    output_drain(x->out);
    output_drain(x->err);
    x->out = output_free(x->out);
    x->err = output_free(x->err);
    run->worker->strays_due = true;
    if (run->evidence->pgid < 0 && run->stop == STOP_NONE) { /* it never was the program */
        not_started(run, run->evidence->pgid);
        return;
    }
    judge(run, &(struct ending){ .status = status, .spent = &spent, .said = &x->said, .wrong = x->wrong });
    run_end(run);
}

/* The payload as a file on the handler's stdin: no pipe to fill, no handler that could block us by not reading. */
static int payload_fd(const struct hx_job *job) {
    int fd = memfd_create("payload", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (size_t done = 0; done < job->payload_len;) {
        ssize_t n = write(fd, job->payload + done, job->payload_len - done);
        if (n < 0) {
            int error = errno;
            close(fd);
            return -error;
        }
        done += (size_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* The rules that keep a program from what systemd gave to this service alone. -1: there is nothing, or no way to hide it, which the
 * supervisor has said. */
static int hide_credentials(const struct worker *w) {
    int r = hx_hidden_rules(w->credentials);
    return r == -ENOSYS || r == -EOPNOTSUPP || r == -EPERM || r == -ENOENT ? -1 : r;
}

static long own_rss_kb(void) {
    struct rusage own = { 0 };
    getrusage(RUSAGE_SELF, &own);
    return own.ru_maxrss;
}

static int spawn(struct run *run, const struct hx_job *job, int out[2], int err[2]) {
    _cleanup_close_ int in = payload_fd(job);
    int rules = hide_credentials(run->worker);
    if (in < 0 || rules < -1)
        return in < 0 ? in : rules;
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
        return -errno;
    struct environment *env = environment_new(run, job);
    run->cgroup = cgroup_new(run);
    struct hx_spawn spec = {
        .argv = run->handler->exec,
        .envp = environment_vector(env),
        .fd_in = in,
        .fd_out = out[1],
        .fd_err = err[1],
        .new_group = true,
        .death_signal = SIGKILL,
        .no_new_privs = true,
        .no_core = true,
        .data_max = cgroup_limits(run->cgroup, HX_CGROUP_MEMORY) ? 0 : run->handler->memory_max,
        .entrance = cgroup_entrance(run->cgroup),
        .mark = run->mark,
        .rules = rules,
        .publish_pid = &run->evidence->pgid,
        .apart = cgroup_joins_slowly(run->cgroup), /* else the wait is shorter than a fork takes */
        .ret_executed = &run->exec->executed,
    };
    int r = hx_spawn(&spec, &run->exec->pid);
    run->exec->own_rss_kb = own_rss_kb();
    environment_free(env);
    cgroup_shut(run->cgroup);
    return r;
}

/* The mark has room for the last bits of the number: it is given to one run at a time. */
static void number(struct run *run) {
    struct worker *w = run->worker;
    uint64_t mark;
    do
        mark = hx_mark_of_run(w->mark, ++w->programs);
    while (exec_marked(w, mark));
    run->program = w->programs;
    run->mark = mark;
}

void exec_start(struct run *run, const struct hx_job *job) {
    struct worker *w = run->worker;
    run->exec = hx_alloc(sizeof *run->exec);
    struct exec *x = run->exec;
    x->executed = -1;
    number(run);
    x->said = (struct message){ .progress = -1, .retry_after_ms = -1, .snooze_ms = -1 };
    int out[2] = { -1, -1 }, err[2] = { -1, -1 };
    int r = HX_FAIL("run.before_spawn") ? -EAGAIN : spawn(run, job, out, err);
    hx_close_p(&out[1]);
    hx_close_p(&err[1]);
    if (r < 0) {
        hx_close_p(&out[0]);
        hx_close_p(&err[0]);
        not_started(run, r);
        return;
    }
    HX_FAIL_HERE("run.after_spawn");
    x->out = output_new(w->loop, out[0], MESSAGE_LINE, out_line, run);
    x->err = output_new(w->loop, err[0], LOGGED_LINE, err_line, run);
    hx_loop_child(w->loop, x->pid, exited, run);
    if (x->executed < 0 || hx_watch_new(w->loop, x->executed, EPOLLIN, executed, run, &x->execution) < 0)
        tell_started(run);
    tasks_watch(run);
}

/* The program itself may have gone over to another group. */
static void send_signal(const struct exec *x, int signo) {
    if (x->pid <= 1)
        return;
    hx_kill_group(x->pid, signo);
    if (getpgid(x->pid) != x->pid)
        kill(x->pid, signo);
}

static void out_of_grace(void *user) {
    exec_kill(user);
}

void exec_stop(struct run *run) {
    struct worker *w = run->worker;
    send_signal(run->exec, SIGTERM);
    send_signal(run->exec, SIGCONT); /* one that is stopped would never hear it */
    HX_FAIL_HERE("run.after_term");
    hx_timer_free(run->timer);
    run->timer = hx_timer_new(w->loop, out_of_grace, run);
    int64_t grace = hx_config_int(w->config, HX_JOBS_KILL_GRACE);
    /* In a drain the whole fleet has to be gone when drain_timeout and kill_grace have passed: what comes after the KILL takes time, too. */
    hx_timer_set(run->timer, run->stop == STOP_DRAIN ? grace - HX_MIN(grace / 4, (int64_t)300) : grace);
}

void exec_kill(struct run *run) {
    send_signal(run->exec, SIGKILL);
    cgroup_kill(run->cgroup);
}

struct exec *exec_free(struct exec *x) {
    if (!x)
        return NULL;
    send_signal(x, SIGKILL);
    hx_watch_free(x->execution);
    hx_close_p(&x->executed);
    output_free(x->out);
    output_free(x->err);
    message_reset(&x->said);
    free(x->stage);
    free(x);
    return NULL;
}
