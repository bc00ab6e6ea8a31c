#include "worker/flight.h"

#include <stdlib.h>
#include <string.h>

/* Progress of running jobs, as events: in the transaction that is going anyway, before the outcomes, so that a job's stages precede its
 * end. A statement changes a row once, so the k-th message of every run makes the k-th statement. */

static int by_id(const void *a, const void *b) {
    return hx_uuid_cmp(&(*(struct run *const *)a)->id, &(*(struct run *const *)b)->id);
}

static size_t talkers(struct worker *w, struct run **ret) {
    size_t n = 0;
    for (struct run *run = w->runs; run; run = run->next)
        if (run->message_count)
            ret[n++] = run;
    qsort(ret, n, sizeof *ret, by_id);
    return n;
}

/* A message that is sent twice is told twice, so it must be known whether the transaction committed: a claim beside it may take nothing. */
static void add_receipt(struct flight *f, struct hx_pg_tx *tx) {
    struct part *part = flight_part(f);
    part->claim->left = 1;
    part->statement = hx_ledger_receipt(tx, &part->claim->token, f->worker->id);
}

/* The outcome that may be the bad value has to fail with nothing beside it. */
static bool suspect_goes_first(const struct worker *w) {
    return w->outcome_limit == 1 && w->outcome_limit < worker_batch(w) && !w->tell_singly && w->ended_head &&
           !w->ended_head->message_count;
}

void tell_add(struct flight *f, struct hx_pg_tx *tx) {
    struct worker *w = f->worker;
    if (!w->messages)
        w->tell_singly = 0; /* the rest went with their runs */
    if (!w->messages || w->telling || suspect_goes_first(w))
        return;
    w->telling = true;
    _cleanup_free_ struct run **runs = hx_allocn(w->run_count, sizeof *runs);
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(w->run_count, sizeof *ids);
    _cleanup_free_ int32_t *fences = hx_allocn(w->run_count, sizeof *fences);
    _cleanup_free_ const char **details = hx_allocn(w->run_count, sizeof *details);
    size_t n = w->tell_singly ? HX_MIN(talkers(w, runs), (size_t)1) : talkers(w, runs);
    for (size_t round = 0; round < (w->tell_singly ? 1 : TELL_ROUNDS); round++) {
        size_t k = 0;
        for (size_t i = 0; i < n; i++) {
            if (runs[i]->message_count <= round)
                continue;
            ids[k] = runs[i]->id;
            fences[k] = runs[i]->fence;
            details[k++] = runs[i]->messages[round];
            runs[i]->message_sending = round + 1;
        }
        if (!k)
            break;
        hx_ledger_progress(tx, ids, fences, details, k);
        f->messages += k;
    }
    if (f->messages)
        add_receipt(f, tx);
}

static void drop_sent(struct run *run) {
    size_t sent = run->message_sending;
    if (!sent)
        return;
    for (size_t i = 0; i < sent; i++)
        free(run->messages[i]);
    run->message_count -= sent;
    memmove(run->messages, run->messages + sent, run->message_count * sizeof *run->messages);
    run->message_sending = 0;
    run->worker->messages -= sent;
}

void tell_committed(struct flight *f) {
    struct worker *w = f->worker;
    w->telling &= !f->messages;
    w->tell_singly -= f->messages && w->tell_singly;
    for (struct run *run = f->messages ? w->runs : NULL; run; run = run->next)
        drop_sent(run);
}

void tell_refused(struct flight *f, const struct hx_pg_error *error) {
    struct worker *w = f->worker;
    if (!w->tell_singly) {
        w->tell_singly = w->messages;
        return;
    }
    w->tell_singly--;
    for (struct run *run = w->runs; run; run = run->next) {
        if (run->message_sending)
            hx_warning(run_event(run, "job.unwritable"), "the database refuses a message: %s: %s, ignoring",
                       error->sqlstate, error->message);
        drop_sent(run);
    }
}

void tell_undo(struct flight *f) {
    f->worker->telling &= !f->messages;
    for (struct run *run = f->messages ? f->worker->runs : NULL; run; run = run->next)
        run->message_sending = 0;
}
