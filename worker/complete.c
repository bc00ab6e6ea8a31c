#include "worker/flight.h"

#include <stdlib.h>
#include <string.h>

/* The third step of a job's way: what runs came to is written, each under its fence, a batch at a time. */

enum { BYTES_MAX = 4 * 1024 * 1024 };

static int by_id(const void *a, const void *b) {
    return hx_uuid_cmp(&(*(struct run *const *)a)->id, &(*(struct run *const *)b)->id);
}

/* Takes ended runs off the queue, bounded in number and bytes, oldest first. */
static void gather(struct flight *f) {
    struct worker *w = f->worker;
    size_t limit = HX_MIN(w->ended_count, w->outcome_limit), bytes = 0;
    f->outcomes = hx_allocn(limit, sizeof *f->outcomes);
    while (f->outcome_count < limit && bytes < BYTES_MAX) {
        struct run *run = w->ended_head;
        if (run->message_count > (f->messages ? TELL_ROUNDS : 0))
            break; /* its stages go before or with it */
        w->ended_head = run->ended_next;
        w->ended_tail = w->ended_head ? w->ended_tail : NULL;
        w->ended_count--;
        run->ended_next = NULL;
        bytes += run->detail ? strlen(run->detail) : 0;
        f->outcomes[f->outcome_count++] = run;
    }
    qsort(f->outcomes, f->outcome_count, sizeof *f->outcomes, by_id);
}

static void add_outcomes(struct flight *f, struct hx_pg_tx *tx, struct hx_uuid *ids) {
    size_t n = f->outcome_count, plain = 0, other = 0;
    _cleanup_free_ int32_t *fences = hx_allocn(n, sizeof *fences);
    _cleanup_free_ struct hx_outcome *outcomes = hx_allocn(n, sizeof *outcomes);
    for (size_t i = 0; i < n; i++) {
        struct run *run = f->outcomes[i];
        if (run->plain) {
            ids[plain] = run->id;
            fences[plain++] = run->fence;
        } else {
            outcomes[other++] = run->outcome;
        }
    }
    if (plain)
        f->complete = hx_ledger_complete(tx, ids, fences, NULL, plain, f->worker->plain_detail);
    if (other)
        f->settle = hx_ledger_settle(tx, f->worker->id, outcomes, other);
}

/* What goes with the jobs: requests to stop them, permits, and claims whose last job this was. */
static void add_remains(struct flight *f, struct hx_pg_tx *tx, struct hx_uuid *ids) {
    size_t n = f->outcome_count, limited = 0, tokens = 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = f->outcomes[i]->id;
    hx_ledger_answered(tx, f->worker->id, ids, n);
    for (size_t i = 0; i < n; i++)
        if (f->outcomes[i]->handler->concurrency)
            ids[limited++] = f->outcomes[i]->id;
    if (limited)
        hx_ledger_permit_free(tx, ids, limited);
    for (size_t i = 0; i < n; i++) {
        struct claim *claim = f->outcomes[i]->claim;
        if (++claim->ending == claim->left) {
            claim->closing = true;
            ids[tokens++] = claim->token;
        }
    }
    for (size_t i = 0; i < n; i++)
        f->outcomes[i]->claim->ending = 0;
    if (tokens)
        hx_ledger_claim_done(tx, ids, tokens);
}

static void add_spent(struct flight *f, struct hx_pg_tx *tx) {
    struct worker *w = f->worker;
    f->spent = HX_TAKE(w->spent);
    f->spent_count = w->spent_count;
    w->spent_count = 0;
    if (f->spent_count)
        hx_ledger_claim_done(tx, f->spent, f->spent_count);
}

void complete_add(struct flight *f, struct hx_pg_tx *tx) {
    add_spent(f, tx);
    if (!f->worker->ended_count)
        return;
    gather(f);
    if (!f->outcome_count)
        return;
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(f->outcome_count, sizeof *ids);
    add_outcomes(f, tx, ids);
    add_remains(f, tx, ids);
}

static bool was_changed(const struct run *run, const struct hx_pg_tx *tx, int statement) {
    for (int row = 0; row < hx_pg_rows(tx, statement); row++) {
        struct hx_uuid id = hx_ledger_read_id(tx, statement, row);
        if (hx_uuid_eq(&id, &run->id))
            return true;
    }
    return false;
}

/* Fewer rows than outcomes: some were refused by their fence. They are history all the same, but not ours. */
static void report_stale(struct flight *f, const struct hx_pg_tx *tx) {
    size_t changed = 0;
    changed += f->complete >= 0 ? (size_t)hx_pg_rows(tx, f->complete) : 0;
    changed += f->settle >= 0 ? (size_t)hx_pg_rows(tx, f->settle) : 0;
    for (size_t i = 0; changed < f->outcome_count && i < f->outcome_count; i++) {
        struct run *run = f->outcomes[i];
        if (!was_changed(run, tx, run->plain ? f->complete : f->settle)) {
            hx_notice(run_event(run, "job.stale"), "stale: the job has gone on without this run, ignoring its outcome");
            changed++;
        }
    }
}

void complete_committed(struct flight *f, const struct hx_pg_tx *tx) {
    if (f->outcome_count)
        HX_FAIL_HERE("complete.after_commit");
    if (tx && f->outcome_count)
        report_stale(f, tx);
    bool limited = false;
    for (size_t i = 0; i < f->outcome_count; i++) {
        limited |= f->outcomes[i]->handler->concurrency > 0;
        run_free(f->outcomes[i]);
    }
    f->worker->done += f->outcome_count;
    if (limited)
        worker_take_soon(f->worker); /* a permit is free, and its next job waits in PostgreSQL */
}

void complete_undo(struct flight *f) {
    struct worker *w = f->worker;
    if (f->spent_count) {
        w->spent = hx_realloc(w->spent, (w->spent_count + f->spent_count) * sizeof *w->spent);
        memcpy(w->spent + w->spent_count, f->spent, f->spent_count * sizeof *w->spent);
        w->spent_count += f->spent_count;
    }
    for (size_t i = f->outcome_count; i--;) {
        struct run *run = f->outcomes[i];
        run->claim->closing = false;
        run->ended_next = w->ended_head;
        w->ended_head = run;
        w->ended_tail = w->ended_tail ? w->ended_tail : run;
        w->ended_count++;
    }
}
