#include "supervisor/orphans.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/process.h"
#include "common/text.h"

#include <signal.h>

enum { SWEEP_MS = 2000, FIRST_PAUSE_MS = 2, LONGEST_PAUSE_MS = 50, CHILDREN_MAX = 4096, INHERITED_MAX = 64 };

struct orphans {
    struct deaths *deaths;
    bool (*knows)(pid_t pid, void *user);
    void (*on_clear)(void *user);
    void *user;
    struct hx_timer *timer;
    int64_t deadline_ms, pause_ms;
    pid_t inherited[INHERITED_MAX]; /* of a shell that became us by exec: none of our business */
    int inherited_count;
};

static bool spare(pid_t pgid, void *user) {
    const struct orphans *o = user;
    return o->knows(pgid, o->user); /* our children lead groups of their own */
}

static bool is_orphan(const struct orphans *o, pid_t pid) {
    for (int i = 0; i < o->inherited_count; i++)
        if (o->inherited[i] == pid)
            return false;
    return !o->knows(pid, o->user);
}

/* How many processes there still were. One that was killed counts until the loop has reaped it. */
static int kill_all(const struct orphans *o) {
    static pid_t children[CHILDREN_MAX];
    int left = deaths_kill_groups(o->deaths, spare, (void *)(uintptr_t)o);
    int n = hx_children(children, CHILDREN_MAX);
    for (int i = 0; i < n; i++) {
        if (!is_orphan(o, children[i]))
            continue;
        kill(children[i], SIGKILL);
        left++;
    }
    return left;
}

static void finish(struct orphans *o, int left) {
    hx_timer_clear(o->timer);
    if (left > 0)
        hx_warning(HX_EVENT("processes.left"),
                   "%d processes of dead workers could not be ended within 2 s, going on without them", left);
    o->on_clear(o->user);
}

static void on_timer(void *user) {
    struct orphans *o = user;
    int left = kill_all(o);
    if (left == 0 || hx_mono_ms() >= o->deadline_ms) {
        finish(o, left);
        return;
    }
    o->pause_ms = HX_MIN(o->pause_ms * 2, (int64_t)LONGEST_PAUSE_MS);
    hx_timer_set(o->timer, o->pause_ms);
}

struct orphans *orphans_new(struct hx_loop *loop, struct deaths *deaths, bool (*knows)(pid_t pid, void *user),
                            void (*on_clear)(void *user), void *user) {
    struct orphans *o = hx_alloc(sizeof(*o));
    *o = (struct orphans){ .deaths = deaths, .knows = knows, .on_clear = on_clear, .user = user };
    o->timer = hx_timer_new(loop, on_timer, o);
    o->inherited_count = hx_children(o->inherited, INHERITED_MAX);
    return o;
}

struct orphans *orphans_free(struct orphans *o) {
    if (!o)
        return NULL;
    hx_timer_free(o->timer);
    free(o);
    return NULL;
}

/* Even when nothing is left, the loop comes back for it: a caller isn't called back from within its own call. */
void orphans_sweep(struct orphans *o) {
    HX_FAIL_HERE("supervisor.before_kill_groups");
    kill_all(o);
    o->deadline_ms = hx_mono_ms() + SWEEP_MS;
    o->pause_ms = FIRST_PAUSE_MS;
    hx_timer_set(o->timer, 0);
}

bool orphans_sweeping(const struct orphans *o) {
    return hx_timer_armed(o->timer);
}
