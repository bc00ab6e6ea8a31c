/* The guard's side of supervisor/guard.h. */
#include "common/clock.h"
#include "common/evidence.h"
#include "common/exit_codes.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/mark.h"
#include "common/process.h"
#include "common/text.h"
#include "lib/channel/channel.h"
#include "supervisor/cgroups.h"
#include "supervisor/groups.h"
#include "supervisor/guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* A supervisor that works reaps the dead at once; others release their jobs when a lease has run out, some seconds later. */
enum { LOOK_MS = 250, UNTENDED_MS = 1000, ASLEEP_MS = 4 * LOOK_MS };
enum { WORKERS_GONE_MS = 1000, GROUPS_GONE_MS = 2000, PAUSE_MS = 5 };

struct ward {
    struct ward *next;
    json_int_t key;
    pid_t pid; /* leads its group */
    uint64_t mark;
    struct hx_evidence *evidence;
    uint64_t pulse;
    int64_t pulse_ms,
        still_ms;    /* hx_mono_ms when it moved last; how long it may stand still, by the supervisor's measure */
    int64_t dead_ms; /* hx_mono_ms since when it is dead and not reaped; 0: it isn't */
    bool killed;     /* by us */
    bool due;        /* what it left is to be ended */
};

struct post {
    struct hx_loop *loop;
    struct ward *wards;
    struct hx_timer *timer;
    int64_t looked_ms; /* hx_mono_ms of the last look */
    bool relieved;     /* a clean stop */
};

/* ---- keeping watch ---- */

static void hold(struct post *post, const json_t *message, int fd) {
    struct ward *w = hx_alloc(sizeof(*w));
    json_int_t pid = 0, mark = 0, still_ms = 0;
    hx_json_get_int(message, "still_ms", &still_ms);
    if (fd < 0 || hx_json_get_int(message, "key", &w->key) != 1 || hx_json_get_int(message, "pid", &pid) != 1 ||
        hx_json_get_int(message, "mark", &mark) != 1 || hx_evidence_map(fd, &w->evidence) < 0) {
        free(w);
        return;
    }
    w->pid = (pid_t)pid;
    w->mark = (uint64_t)mark;
    w->still_ms = still_ms;
    w->next = post->wards;
    post->wards = w;
}

static void forget(struct ward **at) {
    struct ward *w = *at;
    *at = w->next;
    hx_evidence_unmap(w->evidence);
    free(w);
}

static void drop(struct post *post, const json_t *message) {
    json_int_t key = -1;
    hx_json_get_int(message, "key", &key);
    for (struct ward **at = &post->wards; *at; at = &(*at)->next)
        if ((*at)->key == key) {
            forget(at);
            return;
        }
}

static void on_message(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    struct post *post = user;
    const char *op = "";
    (void)channel;
    if (!message) {
        hx_loop_stop(post->loop);
        return;
    }
    hx_json_get_string(message, "op", &op);
    if (hx_streq(op, "hold"))
        hold(post, message, fd);
    else if (hx_streq(op, "drop"))
        drop(post, message);
    else if (hx_streq(op, "bye"))
        post->relieved = true;
    if (fd >= 0)
        close(fd);
    if (post->relieved)
        hx_loop_stop(post->loop);
}

/* ---- what the dead leave behind ---- */

static bool is_own(pid_t pgid, void *user) {
    const struct post *post = user;
    for (const struct ward *w = post->wards; w; w = w->next)
        if (w->pid == pgid)
            return true;
    return pgid == getpgid(getppid());
}

static bool is_left(pid_t pid, void *user) {
    const struct post *post = user;
    uint64_t mark = hx_mark_on(pid);
    for (const struct ward *w = post->wards; w && mark; w = w->next)
        if (w->due && hx_mark_eq(mark, w->mark, HX_MARK_WORKER))
            return true;
    return false;
}

/* How many groups, and processes outside of them, there were. */
static int end_what_is_left(struct post *post) {
    int groups = 0;
    for (const struct ward *w = post->wards; w; w = w->next)
        if (w->due)
            groups += groups_kill(w->evidence, is_own, post) + cgroups_end_worker(HX_FD_CGROUP, (uint64_t)w->key);
    return groups + (int)hx_kill_where(is_left, post, GROUPS_GONE_MS);
}

/* ---- the supervisor stands still ---- */

/* Its zombie: the supervisor, who would reap it first and then end what it left, hasn't yet. */
static bool is_unburied(const struct ward *w) {
    return !hx_runs(w->pid) && kill(w->pid, 0) == 0;
}

/* A supervisor that works would have killed it by now, and soon others release its jobs: its handlers must not live to see that. Half a
 * lease is the supervisor's; after three quarters, counted from the last renewal, which comes four times a lease, others may act. */
static void end_still(struct ward *w, int64_t now) {
    uint64_t pulse = atomic_load(&w->evidence->pulse);
    if (pulse != w->pulse || pulse == 0 || !hx_runs(w->pid)) {
        w->pulse = pulse;
        w->pulse_ms = hx_evidence_pulsed_ms(w->evidence, now, LOOK_MS);
    } else if (w->still_ms > 0 && now - w->pulse_ms >= w->still_ms * 5 / 4) {
        hx_warning(HX_EVENT("supervisor.still"),
                   "the supervisor stands still, and so does pid %d for %lldms: killing it", (int)w->pid,
                   (long long)(now - w->pulse_ms));
        hx_kill_group(w->pid, SIGKILL);
        w->killed = true;
        w->pulse_ms = now;
    }
}

static void look(void *user) {
    struct post *post = user;
    int64_t now = hx_mono_ms(), since = now - post->looked_ms;
    int64_t asleep = since < ASLEEP_MS ? 0 : since; /* then it was we who stood still: that time counts for nobody */
    bool any = false, soon = false;
    post->looked_ms = now;
    for (struct ward *w = post->wards; w; w = w->next) {
        bool due = w->due;
        w->pulse_ms += asleep;
        w->dead_ms += w->dead_ms ? asleep : 0;
        end_still(w, now);
        soon |= w->killed && hx_runs(w->pid);
        if (!is_unburied(w))
            w->dead_ms = 0;
        else if (w->dead_ms == 0)
            w->dead_ms = now;
        w->due = w->dead_ms && now - w->dead_ms < UNTENDED_MS + GROUPS_GONE_MS &&
                 (w->killed || now - w->dead_ms >= UNTENDED_MS);
        any |= w->due;
        if (w->due && !due)
            hx_warning(HX_EVENT("supervisor.still"),
                       "the supervisor stands still: pid %d is dead, ending what it left running", (int)w->pid);
    }
    if (any)
        end_what_is_left(post);
    hx_timer_set(post->timer, soon ? PAUSE_MS : LOOK_MS);
}

/* ---- the supervisor is gone ---- */

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* Workers first: one that lives may start another handler. */
static void end_workers(const struct post *post) {
    int64_t deadline = hx_mono_ms() + WORKERS_GONE_MS;
    bool any = true;
    while (any && hx_mono_ms() < deadline) {
        any = false;
        for (const struct ward *w = post->wards; w; w = w->next) {
            if (!hx_runs(w->pid))
                continue;
            hx_kill_group(w->pid, SIGKILL);
            any = true;
        }
        if (any)
            pause_ms(PAUSE_MS);
    }
}

static int end_all(struct post *post) {
    int64_t deadline = hx_mono_ms() + GROUPS_GONE_MS;
    int first = -1;
    for (struct ward *w = post->wards; w; w = w->next)
        w->due = true;
    for (;;) {
        int alive =
            end_what_is_left(post) + cgroups_end_all(HX_FD_CGROUP); /* the supervisor's; closed where there is none */
        if (first < 0)
            first = alive;
        if (alive == 0 || hx_mono_ms() >= deadline)
            return first;
        pause_ms(PAUSE_MS);
    }
}

/* ---- the program ---- */

/* Whoever ends "all heimdex-supervisor" by name means the supervisor: the guard must be there afterwards. */
static void rename_self(int argc, char **argv) {
    static const char name[] = "heimdex-guard";
    prctl(PR_SET_NAME, name);
    char *last = argv[argc - 1];
    size_t room = (size_t)(last + strlen(last) - argv[0]);
    memset(argv[0], 0, room);
    hx_strcopy(argv[0], room + 1, name);
    program_invocation_short_name = argv[0];
}

static void start_log(void) {
    static const char *const formats[] = { "auto", "journal", "json", "text" };
    struct hx_log_options options = { .service = "heimdex-guard", .level = HX_LOG_INFO };
    const char *wanted = getenv("HEIMDEX_LOG_FORMAT");
    for (size_t i = 0; i < HX_ARRAY_LEN(formats); i++)
        if (hx_streq(formats[i], wanted))
            options.format = (enum hx_log_format)i;
    hx_log_init(&options);
}

int guard_main(int argc, char **argv) {
    struct post post = { 0 };
    struct hx_channel *channel;
    /* A stop of the whole group or cgroup begins with these: the supervisor decides when that is over. */
    for (const int *s = (const int[]){ SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, 0 }; *s; s++)
        sigaction(*s, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    hx_hide_process();
    rename_self(argc, argv);
    start_log();
    if (hx_loop_new(&post.loop) < 0 || hx_channel_new(post.loop, HX_FD_CHANNEL, on_message, &post, &channel) < 0)
        return HX_EXIT_USAGE; /* started by hand, most likely */
    post.timer = hx_timer_new(post.loop, look, &post);
    hx_timer_set(post.timer, LOOK_MS);
    hx_loop_run(post.loop);
    if (!post.relieved) {
        HX_FAIL_HERE("guard.before_kill");
        end_workers(&post);
        hx_warning(HX_EVENT("supervisor.died"), "the supervisor is gone: ended %d groups and daemons of handlers",
                   end_all(&post));
    }
    while (post.wards)
        forget(&post.wards);
    hx_timer_free(post.timer);
    hx_channel_free(channel);
    hx_loop_free(post.loop);
    return HX_EXIT_OK;
}
