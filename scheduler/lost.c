#include "common/units.h"
#include "scheduler/death.h"
#include "scheduler/leases.h"
#include "scheduler/scheduler.h"

/* Hosts and workers that vanish without anybody to tell: their lease counters stand still for one lease, which is theirs, not ours. What
 * they held counts as started, for lack of evidence. A worker of a living supervisor is killed by it long before. */

enum { EVERY_MS = 1000, EVERY_LEAST_MS = 200, LOOKS_A_LEASE = 5 };

static bool ask(struct scheduler *s, struct hx_pg_tx *tx) {
    (void)s;
    hx_ledger_leases(tx);
    return true;
}

static int64_t lease_of(const struct scheduler *s, const struct hx_pg_tx *tx, int row) {
    return hx_pg_is_null(tx, 0, row, 5) ? hx_config_int(s->config, HX_WORKER_LEASE) : hx_pg_get_int4(tx, 0, row, 5);
}

static void lost(struct scheduler *s, const struct hx_pg_tx *tx, int row) {
    char silent_for[HX_DURATION_SIZE];
    hx_duration_format(lease_of(s, tx, row), silent_for);
    _cleanup_free_ char *why = hx_printf("worker %s/%s/%d was not heard of for %s; nothing is known of how it ended",
                                         hx_pg_get_text(tx, 0, row, 2, NULL), hx_pg_get_text(tx, 0, row, 3, NULL),
                                         hx_pg_get_int4(tx, 0, row, 4), silent_for);
    reaper_add(s->reaper, death_without_evidence(hx_pg_get_int4(tx, 0, row, 0), "WORKER_LOST", why));
}

static int64_t answer(struct scheduler *s, const struct hx_pg_tx *tx) {
    int64_t shortest_ms = hx_config_int(s->config, HX_WORKER_LEASE);
    leases_begin(s->leases, hx_boot_ms());
    for (int row = 0; row < hx_pg_rows(tx, 0); row++) {
        int64_t ttl_ms = lease_of(s, tx, row);
        if (leases_seen(s->leases, hx_pg_get_int4(tx, 0, row, 0), hx_pg_get_int8(tx, 0, row, 1), ttl_ms))
            lost(s, tx, row);
        shortest_ms = HX_MIN(shortest_ms, ttl_ms);
    }
    leases_end(s->leases);
    return HX_MAX((int64_t)EVERY_LEAST_MS, shortest_ms / LOOKS_A_LEASE);
}

static void failed(struct scheduler *s, const struct hx_pg_error *error) {
    (void)error;
    leases_forget(s->leases);
}

const struct task_kind lost_kind = {
    .name = "leases", .every_ms = EVERY_MS, .ask = ask, .answer = answer, .failed = failed
};
