#include "worker/audit.h"

#include "worker/flight.h"

#include <stdlib.h>

enum { NONE, WANTED, ASKED };

void audit_want(struct worker *w) {
    if (w->audit == NONE && !w->adopting)
        w->audit = WANTED;
}

static bool known(const struct worker *w, const struct hx_uuid *token) {
    for (const struct run *run = w->runs; run; run = run->next)
        if (hx_uuid_eq(&run->claim->token, token))
            return true;
    for (size_t i = 0; i < w->spent_count; i++)
        if (hx_uuid_eq(&w->spent[i], token))
            return true;
    return false;
}

struct adoption {
    struct worker *worker;
    struct claim *claim;
};

/* Its jobs are ours, and none of them has started: they run now, or go back in a drain. A claim of nothing goes like a receipt. */
static void adopted(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct adoption *a = user;
    struct worker *w = a->worker;
    w->adopting--;
    if (w->leaving || error) { /* the next audit finds it again */
        free(a->claim);
    } else {
        a->claim->left = hx_pg_rows(tx, 0) ? 0 : 1;
        claim_run(w, a->claim, NULL, tx, 0);
    }
    free(a);
}

static void adopt(struct worker *w, const struct hx_uuid *token) {
    char text[HX_UUID_SIZE];
    hx_uuid_format(token, text);
    hx_warning(NULL, "claim %s is this worker's, which doesn't know it: taking its jobs up", text);
    struct adoption *a = hx_alloc(sizeof *a);
    *a = (struct adoption){ .worker = w, .claim = hx_alloc(sizeof *a->claim) };
    *a->claim = (struct claim){ .token = *token };
    struct hx_pg_tx *tx = hx_pg_tx_new("adopt");
    hx_ledger_claimed_again(tx, token, w->id);
    w->adopting++;
    hx_pg_submit(w->side, tx, 0, adopted, a);
}

static void listed(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct worker *w = user;
    w->audit = NONE;
    if (w->leaving || error)
        return;
    for (int row = 0; row < hx_pg_rows(tx, 0); row++) {
        struct hx_uuid token = hx_ledger_read_id(tx, 0, row);
        if (!known(w, &token))
            adopt(w, &token);
    }
}

bool audit_step(struct worker *w) {
    if (w->audit == WANTED && w->draining)
        w->audit = NONE;
    if (w->audit == WANTED && !w->flights && !w->doubts) { /* so every claim of ours is known, or isn't there */
        w->audit = ASKED;
        struct hx_pg_tx *tx = hx_pg_tx_new("audit");
        hx_ledger_claims_of(tx, w->id);
        hx_pg_submit(w->work, tx, 0, listed, w);
    }
    return w->audit != NONE;
}
