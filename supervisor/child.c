#include "supervisor/child.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/process.h"
#include "common/text.h"
#include "supervisor/child_log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Until its loop turns for the first time, a process may be busy with a slow disk. */
enum { FIRST_PULSE_MS = 20 * 1000, LOOK_MAX_MS = 500 };

/* ---- what it says ---- */

static void set_text(char **text, const char *value) {
    free(*text);
    *text = value ? hx_strdup(value) : NULL;
}

/* Whoever says it again waits no less long. */
static void set_trouble(char **text, int64_t *since_ms, const char *value) {
    if (value && !*text)
        *since_ms = hx_mono_ms();
    set_text(text, value);
}

static void hear(struct child *child, const json_t *message) {
    const struct child_host *host = child->host;
    const char *op = "", *why = NULL, *detail = NULL;
    json_int_t death;
    hx_json_get_string(message, "op", &op);
    hx_json_get_string(message, "why", &why);
    hx_json_get_string(message, "detail", &detail);
    if (hx_streq(op, "ready")) {
        set_text(&child->waiting, NULL);
        child_event(child, CHILD_SAYS_READY);
        host->on_change(child, host->user);
    } else if (hx_streq(op, "waiting")) {
        set_trouble(&child->waiting, &child->waiting_ms, why ? why : "it does not say what");
        set_text(&child->detail, detail);
        host->on_change(child, host->user);
    } else if (hx_streq(op, "without")) {
        set_trouble(&child->without, &child->without_ms, why);
        host->on_change(child, host->user);
    } else if (hx_streq(op, "fatal")) {
        set_text(&child->fatal, why ? why : "it does not say why");
    } else if (hx_streq(op, "answered") && hx_json_get_int(message, "death", &death) == 1) {
        host->on_answer(child, death, host->user);
    }
}

static void channel_close(struct child *child) {
    if (!child->channel)
        return;
    child->host->on_channel_end(child->channel, child->host->user);
    child->channel = hx_channel_free(child->channel);
}

static void on_message(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    struct child *child = user;
    (void)channel;
    if (fd >= 0)
        close(fd); /* children send none */
    if (message)
        hear(child, message);
    else
        channel_close(child); /* it is ending, or has gone mad: SIGCHLD or its pulse will say which */
}

/* ---- its end ---- */

static struct death *take_remains(struct child *child, pid_t pid, int status, const struct rusage *usage) {
    struct death *d = hx_alloc(sizeof(*d));
    size_t tail_len;
    const char *tail = output_tail(child->output, &tail_len);
    *d = (struct death){
        .generation = child->generation,
        .role = child->role->name,
        .slot = child->slot,
        .pid = pid,
        .wait_status = status,
        .stood_still = child->stuck && !child->cut_short,
        .cut_short = child->cut_short,
        .lived_ms = hx_mono_ms() - child->started_ms,
        .evidence_fd = child->evidence_fd,
        .evidence = child->evidence,
        .worker_id = child->role->runs_jobs ? atomic_load(&child->evidence->worker_id) : 0,
    };
    death_describe(d, usage, child->fatal, tail, tail_len);
    child->evidence = NULL;
    child->evidence_fd = -1;
    return d;
}

static void forget_process(struct child *child) {
    channel_close(child);
    child->output = output_free(child->output);
    child->evidence = hx_evidence_unmap(child->evidence);
    if (child->evidence_fd >= 0)
        close(child->evidence_fd);
    child->evidence_fd = -1;
    set_text(&child->waiting, NULL);
    set_text(&child->detail, NULL);
    set_text(&child->without, NULL);
    set_text(&child->fatal, NULL);
    child->stuck = child->cut_short = child->retired = false;
}

/* The pid goes first: from here on it is nobody's, and nothing may signal it. */
static void on_ended(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct child *child = user;
    child->pid = 0;
    HX_FAIL_HERE("supervisor.after_reap");
    if (child->channel)
        hx_channel_read(child->channel);
    output_finish(child->output);
    struct death *d = take_remains(child, pid, status, usage);
    bool wanted = child->state == CHILD_ENDING || child->state == CHILD_RESTARTING || child->state == CHILD_RETIRING ||
                  child->state == CHILD_KILLED;
    forget_process(child);
    child_event(child, CHILD_DIED);
    child_log_death(child, d, usage, wanted);
    child->host->on_death(child, d, child->host->user);
}

/* ---- its start ---- */

static int open_ends(struct child *child, struct launch_ends *theirs) {
    int fds[2];
    int r = hx_evidence_create(&child->evidence_fd, &child->evidence);
    theirs->evidence = child->evidence_fd;
    if (r == 0)
        r = output_new(child->host->loop, child->evidence, &child->output, &theirs->output);
    if (r == 0)
        r = hx_channel_pair(fds);
    if (r < 0)
        return r;
    theirs->channel = fds[1];
    r = hx_channel_new(child->host->loop, fds[0], on_message, child, &child->channel);
    if (r == 0 && child->role->runs_jobs)
        cgroups_open(child->host->cgroups, child->generation, &theirs->cgroup, &theirs->entrance);
    return r;
}

static void close_ends(const struct launch_ends *theirs) {
    const int fds[] = { theirs->channel, theirs->output, theirs->cgroup, theirs->entrance };
    for (size_t i = 0; i < HX_ARRAY_LEN(fds); i++)
        hx_close_p(&fds[i]);
}

static int start(struct child *child) {
    static uint64_t generations;
    struct launch_ends theirs = { .evidence = -1, .channel = -1, .output = -1, .cgroup = -1, .entrance = -1 };
    child->generation = ++generations;
    int r = open_ends(child, &theirs);
    if (r == 0)
        r = HX_FAIL("supervisor.before_spawn")
                ? -EAGAIN
                : launch_child(child->host->launch, child->role->program, child->slot, &theirs, &child->pid);
    close_ends(&theirs);
    if (r < 0) {
        child->pid = 0;
        cgroups_end(child->host->cgroups, child->generation);
        return r;
    }
    HX_FAIL_HERE("supervisor.after_spawn");
    child->setup = child->host->setup;
    child->started_ms = child->pulse_ms = hx_mono_ms();
    child->pulse = 0;
    /* It is our child and not reaped yet: this can't fail. */
    hx_loop_child(child->host->loop, child->pid, on_ended, child);
    child->host->on_start(child, child->host->user);
    return 0;
}

/* ---- the machine's actions ---- */

static void set_pause(struct child *child, int64_t pause_ms) {
    child->pause_ms = pause_ms;
    hx_timer_clear(child->deadline_timer);
    hx_timer_set(child->restart_timer, pause_ms);
}

static void act_spawn(struct child *child) {
    hx_timer_clear(child->restart_timer);
    child->restarts += child->started_ms != 0;
    int r = start(child);
    if (r == 0)
        return;
    forget_process(child);
    child->started_ms = hx_mono_ms();
    child_event(child, CHILD_DIED);
    child_log_not_started(child, r);
}

static void set_deadline(struct child *child, int64_t after_ms) {
    child->deadline_ms = hx_mono_ms() + after_ms;
    hx_timer_set(child->deadline_timer, after_ms);
}

void child_say(struct child *child, json_t *message) {
    if (child->channel)
        hx_channel_send(child->channel, message, -1);
    else
        json_decref(message);
}

/* Where no jobs run, there is nothing to wait for. */
static void act_retire(struct child *child) {
    child->retired = true;
    if (child->role->runs_jobs) {
        child_say(child, json_pack("{s:s}", "op", "retire"));
        return;
    }
    if (child->pid > 0)
        kill(child->pid, SIGTERM);
    set_deadline(child, child->role->end_ms);
}

/* One that was retired may know an older drain_timeout than ours. */
static void act_term(struct child *child) {
    if (child->retired && child->role->runs_jobs)
        child_say(child, json_pack("{s:s,s:I}", "op", "drain", "within_ms", (json_int_t)child->host->drain_timeout_ms));
    if (child->pid > 0)
        kill(child->pid, SIGTERM);
    set_deadline(child, child->role->end_ms > 0 ? child->role->end_ms : child->host->drain_ms);
}

/* By the channel: a second SIGTERM might be anybody's, sent to the whole control group. */
static void act_hurry(struct child *child) {
    child_say(child, json_pack("{s:s}", "op", "hurry"));
    if (hx_mono_ms() + child->host->hurry_ms < child->deadline_ms)
        set_deadline(child, child->host->hurry_ms);
}

static void act_kill(struct child *child) {
    hx_timer_clear(child->deadline_timer);
    if (child->pid > 0)
        kill(child->pid, SIGKILL);
}

static void act_pause(struct child *child) {
    int64_t lived = hx_mono_ms() - child->started_ms;
    set_pause(child, restart_pause(&child->role->restart, &child->history, lived, child->host->backoff_max_ms));
}

static void act_again(struct child *child) {
    child->history = (struct restart_history){ 0 };
    set_pause(child, 0);
}

static void act_rest(struct child *child) {
    hx_timer_clear(child->restart_timer);
    hx_timer_clear(child->deadline_timer);
}

static void act_nothing(struct child *child) {
    (void)child;
}

static void (*const actions[])(struct child *child) = {
    [ACTION_UNSET] = act_nothing, [ACTION_NOTHING] = act_nothing, [ACTION_SPAWN] = act_spawn,
    [ACTION_RETIRE] = act_retire, [ACTION_TERM] = act_term,       [ACTION_HURRY] = act_hurry,
    [ACTION_KILL] = act_kill,     [ACTION_PAUSE] = act_pause,     [ACTION_AGAIN] = act_again,
    [ACTION_REST] = act_rest,
};
_Static_assert(HX_ARRAY_LEN(actions) == CHILD_ACTIONS, "each action is known");

void child_event(struct child *child, enum child_event event) {
    if ((event == CHILD_OVERDUE || event == CHILD_END) && child->pid > 0 && !child->stuck)
        child->cut_short = true;
    if ((event == CHILD_STUCK || event == CHILD_OVERDUE) && child->pid > 0) {
        child->stuck = true;
        child_log_stuck(child, event);
    }
    actions[machine_step(&child->state, event)](child);
}

/* ---- time ---- */

static void on_restart(void *user) {
    child_event(user, CHILD_START);
}

static void on_deadline(void *user) {
    child_event(user, CHILD_OVERDUE);
}

void child_forgive(struct child *child, int64_t now) {
    child->pulse_ms = now;
}

void child_check_pulse(struct child *child, int64_t now) {
    if (child->pid <= 0 || child->stuck)
        return;
    uint64_t pulse = atomic_load(&child->evidence->pulse);
    int64_t limit = pulse == 0 ? HX_MAX(child->host->still_ms, (int64_t)FIRST_PULSE_MS) : child->host->still_ms;
    if (pulse != child->pulse) {
        child->pulse = pulse;
        child->pulse_ms = hx_evidence_pulsed_ms(child->evidence, now, LOOK_MAX_MS);
    } else if (now - child->pulse_ms >= limit) {
        child_event(child, CHILD_STUCK);
    }
}

bool child_works(const struct child *child) {
    return child->state == CHILD_READY && !child->waiting;
}

void child_waits_for(const struct child *child, struct hx_buf *out) {
    if (child->waiting)
        hx_buf_printf(out, "%s%s%s", child->waiting, child->detail ? ": " : "", child->detail ? child->detail : "");
}

unsigned child_running(const struct child *child) {
    return child->evidence ? atomic_load(&child->evidence->running) : 0;
}

void child_init(struct child *child, const struct child_host *host, const struct role *role, int slot) {
    *child = (struct child){ .host = host, .role = role, .slot = slot, .state = CHILD_DOWN, .evidence_fd = -1 };
    child->restart_timer = hx_timer_new(host->loop, on_restart, child);
    child->deadline_timer = hx_timer_new(host->loop, on_deadline, child);
}

void child_reset(struct child *child) {
    forget_process(child);
    child->restart_timer = hx_timer_free(child->restart_timer);
    child->deadline_timer = hx_timer_free(child->deadline_timer);
}
