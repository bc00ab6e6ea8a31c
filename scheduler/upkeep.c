#include "scheduler/scheduler.h"

/* Partitions ahead of time, and the rows of workers long dead. Looking costs nothing, and where somebody took the default partition away
 * no event can be written until the month's is made. */

enum { EVERY_MS = 5 * 60 * 1000 };

static bool ask(struct scheduler *s, struct hx_pg_tx *tx) {
    (void)s;
    hx_ledger_upkeep(tx);
    return true;
}

static int64_t answer(struct scheduler *s, const struct hx_pg_tx *tx) {
    (void)s;
    int32_t partitions = hx_pg_get_int4(tx, 0, 0, 0);
    int64_t workers = hx_pg_get_int8(tx, 0, 0, 1);
    if (partitions || workers) {
        struct hx_log_ctx ctx = HX_LOG_CTX;
        ctx.event = "upkeep";
        hx_info(&ctx, "%d partitions made, %lld dead workers forgotten", (int)partitions, (long long)workers);
    }
    return TASK_RHYTHM;
}

const struct task_kind upkeep_kind = { .name = "upkeep", .every_ms = EVERY_MS, .ask = ask, .answer = answer };
