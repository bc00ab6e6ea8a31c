#include "scheduler/death.h"
#include "scheduler/scheduler.h"

#include <stdio.h>
#include <stdlib.h>

/* Deaths, one after the other: what a dead worker held goes on elsewhere. A death stays at the head of the line until PostgreSQL has
 * written it down; to reap a worker again changes nothing, so whoever is told of one may be told twice. */

struct reaper {
    struct scheduler *scheduler;
    struct task *task;
    struct death *first, *last;
};

static bool ask(struct scheduler *s, struct hx_pg_tx *tx) {
    const struct death *d = s->reaper->first;
    if (!d || !s->checked)
        return false;
    const struct hx_config *c = s->config;
    struct hx_death death =
        death_for_ledger(d, hx_config_int(c, HX_JOBS_BACKOFF_BASE), hx_config_int(c, HX_JOBS_BACKOFF_MAX),
                         (int32_t)hx_config_int(c, HX_JOBS_MAX_CRASHES));
    hx_ledger_reap(tx, &death);
    return true;
}

static void say_reaped(const struct death *d, const struct hx_reaped *reaped) {
    char worker[16];
    snprintf(worker, sizeof worker, "%d", (int)d->worker);
    _cleanup_free_ char *counts = hx_printf("\"started\":%lld,\"ended\":%lld,\"untouched\":%lld,\"dead_lettered\":%lld",
                                            (long long)reaped->started, (long long)reaped->ended,
                                            (long long)reaped->untouched, (long long)reaped->dead_lettered);
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "worker.reaped";
    ctx.worker = worker;
    ctx.error_code = d->code;
    ctx.detail_json = counts;
    hx_notice(&ctx,
              "worker %s: %s; of its jobs %lld had started, %lld had ended unwritten or were cut short, %lld were "
              "untouched, %lld are "
              "dead letters",
              worker, d->message, (long long)reaped->started, (long long)reaped->ended, (long long)reaped->untouched,
              (long long)reaped->dead_lettered);
}

static void tell_answered(struct scheduler *s, const struct death *d) {
    HX_FAIL_HERE("reaper.before_answer");
    if (s->channel && d->number >= 0)
        hx_channel_send(s->channel, json_pack("{s:s, s:I}", "op", "answered", "death", (json_int_t)d->number), -1);
}

static void take_first_off(struct reaper *r) {
    struct death *d = r->first;
    r->first = d->next;
    if (!r->first)
        r->last = NULL;
    tell_answered(r->scheduler, d);
    death_free(d);
}

static int64_t answer(struct scheduler *s, const struct hx_pg_tx *tx) {
    struct hx_reaped reaped = hx_ledger_read_reaped(tx, 2); /* behind the burial and the locks */
    say_reaped(s->reaper->first, &reaped);
    s->reaped++;
    take_first_off(s->reaper);
    if (s->started)
        task_soon(s->tasks[TASK_DUE]);
    if (s->reaper->first)
        return 0;
    if (!s->started)
        scheduler_started(s);
    return TASK_RHYTHM;
}

static void failed(struct scheduler *s, const struct hx_pg_error *error) {
    if (error->class == HX_PG_DATA && s->reaper->first)
        death_simplify(s->reaper->first);
}

static const struct task_kind kind = {
    .name = "reaper", .to_the_end = true, .ask = ask, .answer = answer, .failed = failed
};

struct reaper *reaper_new(struct scheduler *s) {
    struct reaper *r = hx_alloc(sizeof *r);
    r->scheduler = s;
    r->task = task_new(s, s->slow, &kind);
    return r;
}

struct reaper *reaper_free(struct reaper *r) {
    if (!r)
        return NULL;
    for (struct death *d = r->first, *next; d; d = next) {
        next = d->next;
        death_free(d);
    }
    task_free(r->task);
    free(r);
    return NULL;
}

/* The same death again, or that of a worker that is in line already for want of a lease. */
static bool known(const struct reaper *r, const struct death *death) {
    for (const struct death *d = r->first; d; d = d->next)
        if (death->number >= 0 ? d->number == death->number : d->worker == death->worker)
            return true;
    return false;
}

void reaper_add(struct reaper *r, struct death *death) {
    if (known(r, death)) {
        death_free(death);
        return;
    }
    if (!death->worker) { /* it had no row, so it held nothing */
        tell_answered(r->scheduler, death);
        death_free(death);
        return;
    }
    if (r->last)
        r->last->next = death;
    else
        r->first = death;
    r->last = death;
    reaper_soon(r);
}

void reaper_soon(struct reaper *r) {
    task_soon(r->task);
}

bool reaper_idle(const struct reaper *r) {
    return !r->first;
}
