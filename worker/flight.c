#include "worker/flight.h"

#include "common/backoff.h"
#include "worker/outcome.h"

#include <stdlib.h>

struct flight *flight_new(struct worker *w) {
    struct flight *f = hx_alloc(sizeof *f);
    *f = (struct flight){ .worker = w, .complete = -1, .settle = -1 };
    return f;
}

struct flight *flight_free(struct flight *f) {
    free(f->outcomes);
    free(f->batch.v);
    free(f->parts);
    free(f->spent);
    hx_timer_free(f->ask);
    free(f);
    return NULL;
}

bool flight_empty(const struct flight *f) {
    return !f->outcome_count && !f->part_count && !f->messages && !f->spent_count;
}

struct part *flight_part(struct flight *f) {
    struct claim *claim = hx_alloc(sizeof *claim);
    claim->token = hx_uuid_v4();
    f->parts = hx_realloc(f->parts, (f->part_count + 1) * sizeof *f->parts);
    f->parts[f->part_count] = (struct part){ .claim = claim };
    return &f->parts[f->part_count++];
}

void flight_undo(struct flight *f) {
    tell_undo(f);
    complete_undo(f);
    claim_undo(f);
}

void flight_fill(struct flight *f, struct hx_pg_tx *tx) {
    tell_add(f, tx);
    if (f->messages && f->worker->tell_singly)
        return;
    complete_add(f, tx);
    claim_add(f, tx);
}

/* How long to leave the database alone after this failure. */
static int64_t pause_ms(struct worker *w, const struct hx_pg_error *error) {
    unsigned n = ++w->work_failures;
    if (error->class == HX_PG_RETRY)
        return hx_backoff_full_jitter(n, 5, 1000);
    if (error->class == HX_PG_UNAVAILABLE)
        return hx_backoff_full_jitter(n, 100, 5000);
    return hx_backoff_full_jitter(n, 1000, 30000);
}

/* A value somewhere in the batch is to blame: half as many outcomes next time, down to the one that fails with nothing beside it. Returns
 * whether the next transaction is another one: then others needn't wait for the search. */
static bool halve(struct flight *f, const struct hx_pg_error *error) {
    struct worker *w = f->worker;
    if (f->outcome_count)
        w->outcome_limit = HX_MAX(f->outcome_count / 2, (size_t)1);
    if (f->messages)
        tell_refused(f, error);
    if (f->messages || f->outcome_count > 1)
        return true;
    if (!f->outcome_count)
        return false;
    struct run *run = f->outcomes[0];
    if (f->batch.n || run->unwritable)
        return f->batch.n > 0;
    hx_error(run_event(run, "job.unwritable"), "the database refuses the outcome: %s: %s", error->sqlstate,
             error->message);
    outcome_unwritable(run, error->sqlstate, error->message);
    return true;
}

static void resume(void *user) {
    (void)user; /* the next tick sends */
}

static void failed(struct flight *f, const struct hx_pg_error *error) {
    struct worker *w = f->worker;
    bool other = error->class == HX_PG_DATA && halve(f, error);
    flight_undo(f);
    /* A deadlock takes two: the completion alone can't be half of one with a claim. */
    w->claims_skipped |= f->outcome_count > 0 && (error->class == HX_PG_RETRY || error->class == HX_PG_DATA);
    if (!w->work_pause)
        w->work_pause = hx_timer_new(w->loop, resume, w);
    if (!other)
        hx_timer_set(w->work_pause, pause_ms(w, error));
    hx_log(error->class == HX_PG_RETRY ? HX_LOG_DEBUG : HX_LOG_WARNING, NULL, "PostgreSQL: %s%s%s, retrying",
           error->sqlstate, error->sqlstate[0] ? ": " : "", error->message);
    flight_free(f);
}

static void done(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct flight *f = user;
    struct worker *w = f->worker;
    w->flights--;
    w->builtin_claiming -= f->builtin;
    w->slots_claiming -= f->slotted;
    if (w->leaving) {
        claim_undo(f);
        flight_free(f);
        return;
    }
    if (!error) {
        w->heard_ms = hx_mono_ms();
        w->work_failures = 0;
        w->claims_skipped = false;
        if (w->outcome_limit < worker_batch(w) && (f->outcome_count || !w->ended_count))
            w->outcome_limit *= 2;
        tell_committed(f);
        complete_committed(f, tx);
        claim_committed(f, tx);
        flight_free(f);
    } else if (error->in_doubt && f->part_count) {
        f->backend_pid = error->backend_pid;
        doubt_ask(f);
    } else {
        /* In doubt with outcomes alone: the fence makes a repeat harmless. */
        failed(f, error);
    }
}

void flight_send(struct flight *f, struct hx_pg_tx *tx) {
    struct worker *w = f->worker;
    w->flights++;
    w->builtin_claiming += f->builtin;
    w->slots_claiming += f->slotted;
    hx_pg_submit(w->work, tx, 0, done, f);
}
