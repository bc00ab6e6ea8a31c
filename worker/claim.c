#include "worker/flight.h"
#include "worker/alone.h"
#include "worker/aside.h"
#include "worker/outcome.h"
#include "worker/story.h"

#include <stdlib.h>
#include <string.h>

/* The first step of a job's way: candidates become ours, by a claim row with a token of our choosing. Never more than can start at
 * once. */

static int by_id(const void *a, const void *b) {
    return hx_uuid_cmp(&((const struct candidate *)a)->id, &((const struct candidate *)b)->id);
}

static size_t room(size_t limit, size_t taken) {
    return limit - HX_MIN(limit, taken);
}

/* One claim for all candidates whose type has no fleet-wide limit. */
static void add_free(struct flight *f, struct hx_pg_tx *tx, struct hx_uuid *ids, int32_t *attempts) {
    struct worker *w = f->worker;
    size_t n = 0;
    for (size_t i = 0; i < f->batch.n; i++) {
        const struct candidate *c = &f->batch.v[i];
        if (c->handler->concurrency || (n && hx_uuid_eq(&ids[n - 1], &c->id)))
            continue;
        ids[n] = c->id;
        attempts[n++] = c->handler->max_attempts;
    }
    if (!n)
        return;
    struct part *part = flight_part(f);
    part->statement = hx_ledger_claim(tx, &part->claim->token, w->id, ids, attempts, n, w->handlers->free_types,
                                      w->handlers->free_count, w->label);
}

static void add_limited(struct flight *f, struct hx_pg_tx *tx, struct hx_uuid *ids, const struct handler *h) {
    struct worker *w = f->worker;
    size_t n = 0;
    for (size_t i = 0; i < f->batch.n; i++) {
        const struct candidate *c = &f->batch.v[i];
        if (c->handler == h && !(n && hx_uuid_eq(&ids[n - 1], &c->id)))
            ids[n++] = c->id;
    }
    if (!n)
        return;
    struct part *part = flight_part(f);
    part->statement =
        hx_ledger_claim_limited(tx, &part->claim->token, w->id, ids, n, h->max_attempts, h->type, w->label);
}

void claim_add(struct flight *f, struct hx_pg_tx *tx) {
    struct worker *w = f->worker;
    if (w->draining || w->claims_skipped || alone_wanted(w) || !worker_lease_held(w))
        return;
    size_t builtin = room(worker_batch(w), w->builtin_running + w->builtin_claiming);
    size_t slots = room(worker_slots(w), w->slots_running + w->slots_claiming);
    builtin = HX_MIN(HX_MIN(builtin, HX_MAX(worker_batch(w) / FLIGHTS, (size_t)1)), backlog_builtin(w->backlog));
    slots = HX_MIN(slots, backlog_slotted(w->backlog));
    if (!builtin && !slots)
        return;
    f->batch.v = hx_allocn(builtin + slots, sizeof *f->batch.v);
    backlog_pick(w->backlog, builtin, slots, &f->batch);
    for (size_t i = 0; i < f->batch.n; i++)
        *(handler_builtin(f->batch.v[i].handler) ? &f->builtin : &f->slotted) += 1;
    qsort(f->batch.v, f->batch.n, sizeof *f->batch.v, by_id);
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(f->batch.n, sizeof *ids);
    _cleanup_free_ int32_t *attempts = hx_allocn(f->batch.n, sizeof *attempts);
    add_free(f, tx, ids, attempts);
    for (size_t i = 0; i < w->handlers->n; i++)
        if (w->handlers->v[i].concurrency)
            add_limited(f, tx, ids, &w->handlers->v[i]);
}

static int by_priority(const void *a, const void *b) {
    const struct hx_job *x = a, *y = b;
    return x->priority != y->priority ? (x->priority < y->priority ? 1 : -1) : hx_uuid_cmp(&x->id, &y->id);
}

void claim_run(struct worker *w, struct claim *claim, const struct batch *batch, const struct hx_pg_tx *tx,
               int statement) {
    size_t n = (size_t)hx_pg_rows(tx, statement);
    if (!n) {
        if (claim->left) /* a receipt */
            claim_release(w, claim);
        else
            free(claim);
        return;
    }
    _cleanup_free_ struct hx_job *jobs = hx_allocn(n, sizeof *jobs);
    _cleanup_free_ struct run **runs = hx_allocn(n, sizeof *runs);
    for (size_t i = 0; i < n; i++)
        jobs[i] = hx_ledger_read_job(tx, statement, (int)i);
    qsort(jobs, n, sizeof *jobs, by_priority);
    for (size_t i = 0; i < n; i++)
        runs[i] = run_new(w, claim, handlers_find(w->handlers, jobs[i].type), &jobs[i]);
    /* claimed while the order to stop was on its way, or too long ago to be ours for certain */
    const char *late = w->draining ? "drain" : worker_lease_held(w) ? NULL : "lease";
    for (size_t i = 0; i < n; i++) {
        story_claimed(runs[i], batch);
        if (late) {
            outcome_released(runs[i], late);
            run_end(runs[i]);
        } else if (alone_needed(w, &jobs[i])) {
            alone_hold(runs[i], &jobs[i]);
        } else {
            run_start(runs[i], &jobs[i]);
        }
    }
}

static int by_uuid(const void *a, const void *b) {
    return hx_uuid_cmp(a, b);
}

/* The ids of all rows, ascending; the caller's to free. */
static struct hx_uuid *taken_ids(const struct flight *f, const struct hx_pg_tx *tx, size_t n) {
    struct hx_uuid *ids = hx_allocn(n + 1, sizeof *ids), *next = ids;
    for (size_t i = 0; i < f->part_count; i++)
        for (int row = 0; row < hx_pg_rows(tx, f->parts[i].statement); row++)
            *next++ = hx_ledger_read_job(tx, f->parts[i].statement, row).id;
    qsort(ids, n, sizeof *ids, by_uuid);
    return ids;
}

/* What none of its claims took is somebody else's or done already, which is as good; or no job's, and then its record has to be put
 * aside before it is done. */
static void settle(struct flight *f, const struct hx_pg_tx *tx) {
    struct batch *batch = &f->batch;
    size_t taken = 0, left = 0;
    for (size_t i = 0; i < f->part_count; i++)
        taken += (size_t)hx_pg_rows(tx, f->parts[i].statement);
    if (taken < batch->n) {
        _cleanup_free_ struct hx_uuid *ids = taken_ids(f, tx, taken);
        _cleanup_free_ struct candidate *missed = hx_allocn(batch->n, sizeof *missed);
        size_t n = 0;
        for (size_t i = 0; i < batch->n; i++) {
            const struct candidate *c = &batch->v[i];
            if (c->record && !bsearch(&c->id, ids, taken, sizeof *ids, by_uuid))
                missed[n++] = *c;
            else
                batch->v[left++] = *c;
        }
        batch->n = left;
        if (n)
            aside_missed(f->worker, missed, n);
    }
    worker_settle_candidates(f->worker, batch->v, batch->n);
}

void claim_landed(struct flight *f, const struct hx_pg_tx *tx) {
    for (size_t i = 0; i < f->part_count; i++)
        claim_run(f->worker, f->parts[i].claim, &f->batch, tx, f->parts[i].statement);
    settle(f, tx);
}

void claim_committed(struct flight *f, const struct hx_pg_tx *tx) {
    if (f->part_count)
        HX_FAIL_HERE("claim.after_commit");
    claim_landed(f, tx);
}

void claim_undo(struct flight *f) {
    for (size_t i = 0; i < f->part_count; i++)
        free(f->parts[i].claim);
    f->part_count = 0;
    if (!f->worker->draining)
        backlog_return(f->worker->backlog, f->batch.v, f->batch.n);
}
