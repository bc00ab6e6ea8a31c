/* The guard's side of supervisor/guard.h. */
#include "common/clock.h"
#include "common/evidence.h"
#include "common/exit_codes.h"
#include "common/failpoint.h"
#include "common/log.h"
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

enum { WORKERS_GONE_MS = 1000, GROUPS_GONE_MS = 2000, PAUSE_MS = 5 };

struct ward {
    struct ward *next;
    json_int_t key;
    pid_t pid; /* leads its group */
    struct hx_evidence *evidence;
};

struct post {
    struct hx_loop *loop;
    struct ward *wards;
    bool relieved; /* a clean stop */
};

/* ---- keeping watch ---- */

static void hold(struct post *post, const json_t *message, int fd) {
    struct ward *w = hx_alloc(sizeof(*w));
    json_int_t pid = 0;
    if (fd < 0 || hx_json_get_int(message, "key", &w->key) != 1 || hx_json_get_int(message, "pid", &pid) != 1 ||
        hx_evidence_map(fd, &w->evidence) < 0) {
        free(w);
        return;
    }
    w->pid = (pid_t)pid;
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

/* ---- the supervisor is gone ---- */

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* A zombie counts as gone: who should wait for it may be busy. One that /proc hides from us may be alive. */
static bool runs(pid_t pid) {
    char path[48], line[512];
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    _cleanup_fclose_ FILE *stat = fopen(path, "re");
    if (!stat || !fgets(line, sizeof(line), stat))
        return true;
    const char *behind_name = strrchr(line, ')');
    return behind_name && behind_name[1] == ' ' && behind_name[2] != 'Z' && behind_name[2] != 'X';
}

/* Workers first: one that lives may start another handler. */
static void end_workers(const struct post *post) {
    int64_t deadline = hx_mono_ms() + WORKERS_GONE_MS;
    bool any = true;
    while (any && hx_mono_ms() < deadline) {
        any = false;
        for (const struct ward *w = post->wards; w; w = w->next) {
            if (!runs(w->pid))
                continue;
            hx_kill_group(w->pid, SIGKILL);
            any = true;
        }
        if (any)
            pause_ms(PAUSE_MS);
    }
}

static int end_groups(const struct post *post) {
    int64_t deadline = hx_mono_ms() + GROUPS_GONE_MS;
    int first = -1;
    for (;;) {
        int alive = 0;
        for (const struct ward *w = post->wards; w; w = w->next)
            alive += groups_kill(w->evidence, NULL, NULL);
        alive += cgroups_end_all(HX_FD_CGROUP); /* the supervisor's; closed where there is none */
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
    hx_loop_run(post.loop);
    if (!post.relieved) {
        HX_FAIL_HERE("guard.before_kill");
        end_workers(&post);
        hx_warning(HX_EVENT("supervisor.died"), "the supervisor is gone: ended %d groups of handlers",
                   end_groups(&post));
    }
    while (post.wards)
        forget(&post.wards);
    hx_channel_free(channel);
    hx_loop_free(post.loop);
    return HX_EXIT_OK;
}
