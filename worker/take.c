#include "worker/alone.h"

/* Work straight from PostgreSQL: rows of `waiting` that are due. It is how delayed, retried, parked and swept jobs arrive, and how
 * everything arrives while Kafka is away. A worker with room looks often, one without once a second for a share of what it can run: never
 * for more than it can start soon, because what it takes is reserved and others leave it alone. */

enum { IDLE_MS = 200, BUSY_MS = 1000, BUSY_SHARE = 4 };

static size_t most(const struct worker *w, bool builtin) {
    return builtin ? worker_batch(w) : worker_slots(w);
}

/* Jobs of the kind that could start at once. Builtins run in batches: they have room when no candidate is left for the next. */
static size_t room(const struct worker *w, bool builtin) {
    if (builtin && backlog_builtin(w->backlog))
        return 0;
    size_t limit = most(w, builtin);
    size_t taken = builtin ? w->builtin_running : w->slots_running + w->slots_claiming + backlog_slotted(w->backlog);
    return limit - HX_MIN(limit, taken);
}

/* Nothing can start now, but what runs comes and goes: waiting rows get their share beside what Kafka brings, however much that is. What
 * was taken goes in front; before it has started, no more is. */
static bool share_due(const struct worker *w, bool builtin) {
    size_t limit = most(w, builtin);
    size_t running = builtin ? w->builtin_running : w->slots_running;
    return (running < limit || w->take[builtin].turned) && hx_boot_ms() - w->take[builtin].shared_boot_ms >= BUSY_MS &&
           !backlog_reserved(w->backlog, builtin);
}

static size_t wanted(struct worker *w, bool builtin) {
    if (alone_wanted(w))
        return 0;
    size_t free = room(w, builtin);
    if (free || !share_due(w, builtin))
        return free;
    w->take[builtin].shared_boot_ms = hx_boot_ms();
    w->take[builtin].turned = false;
    return HX_MAX(most(w, builtin) / BUSY_SHARE, (size_t)1);
}

static void again(struct worker *w, int64_t ms) {
    if (!w->draining && !w->leaving)
        hx_timer_set(w->take_timer, ms);
}

static void add(struct worker *w, const struct hx_pg_tx *tx, bool builtin) {
    struct taking *t = &w->take[builtin];
    size_t n = t->asked ? (size_t)hx_pg_rows(tx, t->statement) : 0, known = 0;
    t->more = n && n == t->asked;
    if (!n)
        return;
    struct candidate *found = hx_allocn(n, sizeof *found);
    for (size_t row = 0; row < n; row++) {
        struct hx_candidate c = hx_ledger_read_candidate(tx, t->statement, (int)row);
        const struct handler *handler = handlers_find(w->handlers, c.type);
        if (handler)
            found[known++] = (struct candidate){ .id = c.id, .handler = handler, .high = c.priority > 0 };
    }
    backlog_return(w->backlog, found, known); /* in front: they have waited longer than what Kafka brings */
    free(found);
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
    add(w, tx, true);
    add(w, tx, false);
    bool more = (w->take[true].more && room(w, true)) || (w->take[false].more && room(w, false));
    again(w, more ? 0 : IDLE_MS);
}

static void ask(struct worker *w, struct hx_pg_tx *tx, bool builtin) {
    struct taking *t = &w->take[builtin];
    const struct types *types = &w->handlers->kinds[builtin];
    t->asked = types->n ? wanted(w, builtin) : 0;
    if (t->asked)
        t->statement = hx_ledger_take(tx, types->v, types->n, (int32_t)t->asked);
}

static void take(void *user) {
    struct worker *w = user;
    if (w->take_busy || w->draining)
        return;
    if (w->doubts) {
        again(w, BUSY_MS);
        return;
    }
    struct hx_pg_tx *tx = hx_pg_tx_new("take");
    ask(w, tx, true);
    ask(w, tx, false);
    if (w->take[true].asked || w->take[false].asked) {
        w->take_busy = true;
        hx_pg_submit(w->side, tx, 0, taken, w);
    } else {
        hx_pg_tx_free(tx);
        again(w, IDLE_MS);
    }
}

void worker_take_start(struct worker *w) {
    w->take_timer = hx_timer_new(w->loop, take, w);
    hx_timer_set(w->take_timer, 0);
}

void worker_take_soon(struct worker *w) {
    if (w->take_timer && !w->take_busy)
        again(w, 0);
}

void worker_take_turn(struct worker *w, bool builtin) {
    w->take[builtin].turned = true;
    if (w->take[builtin].more)
        worker_take_soon(w);
}
