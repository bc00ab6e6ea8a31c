#include "worker/worker.h"

/* Work straight from PostgreSQL: rows of `waiting` that are due. It is how delayed, retried and swept jobs arrive, and how everything
 * arrives while Kafka is away. An idle worker looks often, a busy one once a second for a share of its room. */

enum { IDLE_MS = 200, BUSY_MS = 1000, BUSY_SHARE = 4 };

static bool idle(const struct worker *w) {
    return !backlog_builtin(w->backlog) && !backlog_slotted(w->backlog);
}

static int32_t wanted(const struct worker *w) {
    size_t most = HX_MAX(worker_batch(w), worker_slots(w));
    return (int32_t)(idle(w) ? most : HX_MAX(most / BUSY_SHARE, (size_t)1));
}

static void again(struct worker *w, int64_t ms) {
    if (!w->draining && !w->leaving)
        hx_timer_set(w->take_timer, ms);
}

static void add(struct worker *w, const struct hx_pg_tx *tx, int statement, bool high) {
    for (int row = 0; row < hx_pg_rows(tx, statement); row++) {
        struct hx_candidate found = hx_ledger_read_candidate(tx, statement, row);
        const struct handler *handler = handlers_find(w->handlers, found.type);
        struct candidate c = { .id = found.id, .handler = handler, .high = high };
        if (handler)
            backlog_add(w->backlog, &c);
    }
}

static void taken(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct worker *w = user;
    w->take_busy = false;
    if (w->leaving || w->draining)
        return; /* what was reserved is free again in ten seconds */
    if (error) {
        again(w, BUSY_MS);
        return;
    }
    bool more = hx_pg_rows(tx, 0) + hx_pg_rows(tx, 1) >= wanted(w);
    add(w, tx, 0, true);
    add(w, tx, 1, false);
    again(w, more ? 0 : idle(w) ? IDLE_MS : BUSY_MS);
}

static void take(void *user) {
    struct worker *w = user;
    if (w->take_busy || w->draining)
        return;
    if (w->doubts || backlog_builtin(w->backlog) > worker_batch(w) || backlog_slotted(w->backlog) > worker_slots(w)) {
        again(w, BUSY_MS);
        return;
    }
    w->take_busy = true;
    struct hx_pg_tx *tx = hx_pg_tx_new("take");
    int32_t n = wanted(w);
    hx_ledger_take(tx, w->handlers->types, w->handlers->n, n, true);
    hx_ledger_take(tx, w->handlers->types, w->handlers->n, n, false);
    hx_pg_submit(w->side, tx, 0, taken, w);
}

void worker_take_start(struct worker *w) {
    w->take_timer = hx_timer_new(w->loop, take, w);
    hx_timer_set(w->take_timer, 0);
}

void worker_take_soon(struct worker *w) {
    if (w->take_timer && !w->take_busy)
        again(w, 0);
}
