#include "scheduler/task.h"

#include "common/backoff.h"
#include "scheduler/scheduler.h"

#include <string.h>

/* Conflicts with others pass in no time; everything else is given longer and longer, and never less than the task's rhythm. */
enum {
    CONFLICT_BASE_MS = 20,
    CONFLICT_MAX_MS = 1000,
    PAUSE_BASE_MS = 200,
    PAUSE_MAX_MS = 5000,
    HOPELESS_MAX_MS = 60000
};

struct task {
    struct scheduler *scheduler;
    struct hx_pg *pg;
    const struct task_kind *kind;
    struct hx_timer *timer;
    bool busy, again; /* in flight; and asked for meanwhile */
    unsigned failures;
    char said[6]; /* the SQLSTATE that was logged in this series of failures */
};

static void turn(void *user);

struct task *task_new(struct scheduler *s, struct hx_pg *pg, const struct task_kind *kind) {
    struct task *t = hx_alloc(sizeof *t);
    *t = (struct task){ .scheduler = s, .pg = pg, .kind = kind };
    t->timer = hx_timer_new(s->loop, turn, t);
    return t;
}

struct task *task_free(struct task *t) {
    if (t)
        hx_timer_free(t->timer);
    free(t);
    return NULL;
}

int64_t task_pause(unsigned n, enum hx_pg_class class, int64_t every_ms) {
    if (class == HX_PG_RETRY)
        return 1 + hx_backoff_full_jitter(n, CONFLICT_BASE_MS, CONFLICT_MAX_MS);
    int64_t max_ms = class == HX_PG_UNAVAILABLE ? PAUSE_MAX_MS : HOPELESS_MAX_MS;
    return HX_MAX(HX_MIN(every_ms, max_ms), PAUSE_BASE_MS + hx_backoff_full_jitter(n, PAUSE_BASE_MS, max_ms));
}

/* Once for each reason; a lost connection says so itself. */
static void say_failed(struct task *t, const struct hx_pg_error *error) {
    if (error->class == HX_PG_RETRY || !*error->sqlstate || hx_streq(t->said, error->sqlstate))
        return;
    hx_strcopy(t->said, sizeof t->said, error->sqlstate);
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "task.failed";
    ctx.error_code = error->sqlstate;
    hx_warning(&ctx, "%s: %s, retrying", t->kind->name, error->message);
}

static void say_mended(struct task *t) {
    if (*t->said)
        hx_notice(NULL, "%s: works again", t->kind->name);
    t->said[0] = '\0';
    t->failures = 0;
}

static void done(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct task *t = user;
    struct scheduler *s = t->scheduler;
    t->busy = false;
    if (s->leaving)
        return;
    int64_t next = TASK_RHYTHM;
    if (error) {
        t->failures++;
        say_failed(t, error);
        if (t->kind->failed)
            t->kind->failed(s, error);
        next = task_pause(t->failures, error->class, t->kind->every_ms);
    } else {
        say_mended(t);
        next = t->kind->answer(s, tx);
    }
    if (s->leaving)
        return;
    if (t->again && !error)
        next = 0;
    t->again = false;
    if (next == TASK_RHYTHM && t->kind->every_ms)
        next = t->kind->every_ms;
    if (next != TASK_RHYTHM)
        hx_timer_set(t->timer, next);
}

static void turn(void *user) {
    struct task *t = user;
    const struct scheduler *s = t->scheduler;
    if (t->busy || s->leaving || (s->ending && !t->kind->to_the_end))
        return;
    struct hx_pg_tx *tx = hx_pg_tx_new(t->kind->name);
    if (!t->kind->ask(t->scheduler, tx)) {
        hx_pg_tx_free(tx);
        if (t->kind->every_ms)
            hx_timer_set(t->timer, t->kind->every_ms);
        return;
    }
    t->busy = true;
    hx_pg_submit(t->pg, tx, 0, done, t);
}

void task_soon(struct task *t) {
    if (t->busy)
        t->again = true;
    else if (!t->failures || !hx_timer_armed(t->timer)) /* else its pause goes on: who asks can't know better */
        hx_timer_set(t->timer, 0);
}
