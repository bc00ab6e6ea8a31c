#include "worker/flight.h"

#include <stdlib.h>

/* A connection broke while its COMMIT was on the way. The claim's token answers: once the old backend is gone, its row is there or it
 * never will be. The outcomes of the same transaction share the answer. */

enum { ASK_AGAIN_MS = 200 };

static void ask(void *user);

static void ask_later(struct flight *f) {
    if (!f->ask)
        f->ask = hx_timer_new(f->worker->loop, ask, f);
    hx_timer_set(f->ask, ASK_AGAIN_MS);
}

/* The statement of the answer that lists what part i still holds. All are listed after the last question: what was seen of one part is
 * then seen of each. */
static int listed(const struct flight *f, size_t i) {
    return (int)(f->part_count + i);
}

/* Everything of the transaction happened. */
static void it_did(struct flight *f, const struct hx_pg_tx *tx) {
    struct worker *w = f->worker;
    w->doubts--;
    tell_committed(f);
    complete_committed(f, NULL);
    for (size_t i = 0; i < f->part_count; i++)
        claim_run(w, f->parts[i].claim, tx, listed(f, i));
    worker_settle_candidates(w, f->batch.v, f->batch.n);
    flight_free(f);
}

static void it_did_not(struct flight *f) {
    f->worker->doubts--;
    flight_undo(f);
    flight_free(f);
}

static void answered(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct flight *f = user;
    bool alive = false, any = false;
    if (f->worker->leaving) {
        claim_undo(f);
        flight_free(f);
        return;
    }
    for (size_t i = 0; !error && i < f->part_count; i++) {
        bool committed;
        hx_ledger_read_asked(tx, (int)i, &alive, &committed);
        /* It may have committed between the snapshot of the question and the look at the backend; the list is younger than both. */
        any |= committed || hx_pg_rows(tx, listed(f, i));
    }
    if (error || (alive && !any))
        ask_later(f);
    else if (any)
        it_did(f, tx);
    else
        it_did_not(f);
}

static void ask(void *user) {
    struct flight *f = user;
    struct hx_pg_tx *tx = hx_pg_tx_new("ask");
    for (size_t i = 0; i < f->part_count; i++)
        hx_ledger_asked(tx, &f->parts[i].claim->token, f->backend_pid);
    for (size_t i = 0; i < f->part_count; i++)
        hx_ledger_claimed_again(tx, &f->parts[i].claim->token, f->worker->id);
    hx_pg_submit(f->worker->work, tx, 0, answered, f);
}

void doubt_ask(struct flight *f) {
    hx_warning(NULL, "the connection broke in a commit, asking for its claim");
    f->worker->doubts++;
    ask(f);
}
