#include "worker/flight.h"

#include <stdlib.h>

/* A connection broke while its COMMIT was on the way. The claim's token answers: once the old backend is gone, its row is there or it
 * never will be. The outcomes and messages of the same transaction share the answer; where it has no claim, a receipt stands in for one. */

enum { ASK_AGAIN_MS = 200 };

static void ask(void *user);

static void ask_later(struct flight *f) {
    if (!f->ask)
        f->ask = hx_timer_new(f->worker->loop, ask, f);
    hx_timer_set(f->ask, ASK_AGAIN_MS);
}

/* The statements of a question: is the old backend alive, is there a row of part i, what does part i still hold? In this order: a backend
 * that is gone has committed before its parts are asked for, and all are listed after the last of them, so that what was seen of one is
 * then seen of each. */
enum { ALIVE };

static int asked(size_t i) {
    return (int)(1 + i);
}

static int listed(const struct flight *f, size_t i) {
    return (int)(1 + f->part_count + i);
}

/* Everything of the transaction happened. */
static void it_did(struct flight *f, const struct hx_pg_tx *tx) {
    f->worker->doubts--;
    tell_committed(f);
    complete_committed(f, NULL);
    for (size_t i = 0; i < f->part_count; i++)
        f->parts[i].statement = listed(f, i);
    claim_landed(f, tx);
    flight_free(f);
}

static void it_did_not(struct flight *f) {
    f->worker->doubts--;
    flight_undo(f);
    flight_free(f);
}

static void answered(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct flight *f = user;
    bool any = false;
    if (f->worker->leaving) {
        claim_undo(f);
        flight_free(f);
        return;
    }
    for (size_t i = 0; !error && i < f->part_count; i++)
        any |= hx_pg_get_bool(tx, asked(i), 0, 0);
    if (error || (!any && hx_pg_get_bool(tx, ALIVE, 0, 0)))
        ask_later(f);
    else if (any)
        it_did(f, tx);
    else
        it_did_not(f);
}

static void ask(void *user) {
    struct flight *f = user;
    struct hx_pg_tx *tx = hx_pg_tx_new("ask");
    hx_ledger_backend(tx, f->backend_pid);
    for (size_t i = 0; i < f->part_count; i++)
        hx_ledger_asked(tx, &f->parts[i].claim->token);
    for (size_t i = 0; i < f->part_count; i++)
        hx_ledger_claimed_again(tx, &f->parts[i].claim->token, f->worker->id);
    hx_pg_submit(f->worker->work, tx, 0, answered, f);
}

void doubt_ask(struct flight *f) {
    HX_FAIL_HERE("doubt.begin");
    hx_warning(NULL, "the connection broke in a commit, asking for its claim");
    f->worker->doubts++;
    ask(f);
}
