#include "scheduler/scheduler.h"

#include <string.h>

/* Nobody asks whether an announcement was lost: every fresh id is walked once, well behind now, and what is still queued gets a row in
 * `waiting`, where workers look. While Kafka is silent a second walk goes closer to now; it keeps its place in memory only, because
 * ids of slower clocks may still come in behind it, and those are the sweep's. */

enum {
    EVERY_MS = 2000,
    BATCH = 10000,
    FULL_PAUSE_MS = 200, /* 50,000 ids a second at most */
    BEHIND_MS = 120000,
    PEEK_BEHIND_MS = 10000,
};

static int64_t walked(struct scheduler *s, const struct hx_swept *swept, const char *event) {
    s->swept += (uint64_t)swept->swept;
    if (swept->swept) {
        struct hx_log_ctx ctx = HX_LOG_CTX;
        ctx.event = event;
        hx_info(&ctx, "%lld of %lld fresh jobs were still queued, and wait for a worker to look",
                (long long)swept->swept, (long long)swept->walked);
    }
    return swept->walked >= BATCH ? FULL_PAUSE_MS : TASK_RHYTHM;
}

static bool ask_sweep(struct scheduler *s, struct hx_pg_tx *tx) {
    (void)s;
    hx_ledger_sweep(tx, BEHIND_MS, BATCH);
    return true;
}

static int64_t answer_sweep(struct scheduler *s, const struct hx_pg_tx *tx) {
    struct hx_swept swept = hx_ledger_read_swept(tx, 0);
    return walked(s, &swept, "sweep");
}

static bool ask_peek(struct scheduler *s, struct hx_pg_tx *tx) {
    if (!relay_silent(s->relay)) {
        memset(&s->peeked, 0, sizeof s->peeked);
        return false;
    }
    hx_ledger_peek(tx, PEEK_BEHIND_MS, BATCH, &s->peeked);
    return true;
}

static int64_t answer_peek(struct scheduler *s, const struct hx_pg_tx *tx) {
    struct hx_swept swept = hx_ledger_read_swept(tx, 0);
    if (swept.any)
        s->peeked = swept.last;
    return walked(s, &swept, "peek");
}

const struct task_kind sweep_kind = { .name = "sweep", .every_ms = EVERY_MS, .ask = ask_sweep, .answer = answer_sweep };
const struct task_kind peek_kind = { .name = "peek", .every_ms = EVERY_MS, .ask = ask_peek, .answer = answer_peek };
