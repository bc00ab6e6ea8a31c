#include "supervisor/guard.h"

#include "common/log.h"
#include "common/mark.h"
#include "common/process.h"
#include "common/text.h"
#include "lib/channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESTART_MS = 1000 };

struct held {
    struct held *next;
    uint64_t key;
    pid_t pid;
    int64_t still_ms;
    int fd;
};

struct guard {
    struct hx_loop *loop;
    const struct launch *launch;
    uint64_t fleet;
    int cgroup_fd;
    void (*on_gone)(void *user);
    void *user;
    struct hx_channel *channel;
    struct hx_timer *timer;
    pid_t pid;
    bool dismissed;
    struct held *held;
};

static void tell(struct guard *g, const struct held *h) {
    if (g->channel)
        hx_channel_send(g->channel,
                        json_pack("{s:s,s:I,s:i,s:I,s:I}", "op", "hold", "key", (json_int_t)h->key, "pid", (int)h->pid,
                                  "still_ms", (json_int_t)h->still_ms, "mark",
                                  (json_int_t)hx_mark_of_worker(g->fleet, h->pid)),
                        h->fd);
}

static void on_message(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    struct guard *g = user;
    if (fd >= 0)
        close(fd); /* it has nothing to say to us */
    if (!message)
        g->channel = hx_channel_free(channel);
}

static void on_ended(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct guard *g = user;
    (void)usage;
    g->pid = 0;
    g->channel = hx_channel_free(g->channel);
    if (g->dismissed) {
        g->on_gone(g->user);
        return;
    }
    hx_warning(HX_EVENT("guard.died"), "guard (pid %d) ended with %s %d, starting another", (int)pid,
               WIFSIGNALED(status) ? "signal" : "exit code",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    hx_timer_set(g->timer, RESTART_MS);
}

/* What it is to hold waits in its channel before it runs: there is no moment in which it is there and knows nothing. */
static int start(struct guard *g) {
    int fds[2], r = hx_channel_pair(fds);
    if (r < 0)
        return r;
    r = hx_channel_new(g->loop, fds[0], on_message, g, &g->channel);
    for (const struct held *h = g->held; r == 0 && h; h = h->next)
        tell(g, h);
    if (r == 0)
        r = launch_guard(g->launch, fds[1], g->cgroup_fd, &g->pid);
    close(fds[1]);
    if (r < 0) {
        g->channel = hx_channel_free(g->channel);
        g->pid = 0;
        return r;
    }
    return hx_loop_child(g->loop, g->pid, on_ended, g); /* our child, and not reaped yet: can't fail */
}

static void on_timer(void *user) {
    struct guard *g = user;
    int r = start(g);
    if (r == 0)
        return;
    hx_error(HX_EVENT("guard.died"), "guard: could not be started: %s, retrying", strerror(-r));
    hx_timer_set(g->timer, RESTART_MS);
}

struct guard *guard_new(struct hx_loop *loop, const struct launch *launch, uint64_t fleet, int cgroup_fd,
                        void (*on_gone)(void *user), void *user) {
    struct guard *g = hx_alloc(sizeof(*g));
    *g = (struct guard){
        .loop = loop, .launch = launch, .fleet = fleet, .cgroup_fd = cgroup_fd, .on_gone = on_gone, .user = user
    };
    g->timer = hx_timer_new(loop, on_timer, g);
    on_timer(g);
    return g;
}

void guard_set_launch(struct guard *g, const struct launch *launch) {
    g->launch = launch;
}

void guard_hold(struct guard *g, uint64_t key, pid_t pid, int evidence_fd, int64_t still_ms) {
    struct held *h = hx_alloc(sizeof(*h));
    *h = (struct held){
        .next = g->held, .key = key, .pid = pid, .still_ms = still_ms, .fd = fcntl(evidence_fd, F_DUPFD_CLOEXEC, 3)
    };
    if (h->fd < 0) {
        hx_error(NULL, "guard: evidence of pid %d: %s, going on without", (int)pid, strerror(errno));
        free(h);
        return;
    }
    g->held = h;
    tell(g, h);
}

static void drop_at(struct held **at) {
    struct held *h = *at;
    *at = h->next;
    close(h->fd);
    free(h);
}

void guard_drop(struct guard *g, uint64_t key) {
    for (struct held **at = &g->held; *at; at = &(*at)->next)
        if ((*at)->key == key) {
            drop_at(at);
            if (g->channel)
                hx_channel_send(g->channel, json_pack("{s:s,s:I}", "op", "drop", "key", (json_int_t)key), -1);
            return;
        }
}

void guard_dismiss(struct guard *g) {
    g->dismissed = true;
    hx_timer_clear(g->timer);
    if (g->channel)
        hx_channel_send(g->channel, json_pack("{s:s}", "op", "bye"), -1);
}

pid_t guard_pid(const struct guard *g) {
    return g->pid;
}

struct guard *guard_free(struct guard *g) {
    if (!g)
        return NULL;
    while (g->held)
        drop_at(&g->held);
    hx_channel_free(g->channel);
    hx_timer_free(g->timer);
    free(g);
    return NULL;
}
