#include "scheduler/scheduler.h"

/* What waited for its time: delayed jobs, retries, what a dead worker held. It becomes queued, and its outbox row is the relay's. */

enum { EVERY_MS = 200, BATCH = 1000 };

static bool ask(struct scheduler *s, struct hx_pg_tx *tx) {
    (void)s;
    hx_ledger_due(tx, BATCH);
    return true;
}

static int64_t answer(struct scheduler *s, const struct hx_pg_tx *tx) {
    int64_t n = hx_pg_get_int8(tx, 0, 0, 0);
    s->woken += (uint64_t)n;
    if (n)
        relay_soon(s->relay);
    return n >= BATCH ? 0 : TASK_RHYTHM;
}

const struct task_kind due_kind = { .name = "due", .every_ms = EVERY_MS, .ask = ask, .answer = answer };
