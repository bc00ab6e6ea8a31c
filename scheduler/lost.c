#include "common/units.h"
#include "lib/json/json.h"
#include "scheduler/death.h"
#include "scheduler/leases.h"
#include "scheduler/scheduler.h"

#include <string.h>

/* Hosts and workers that vanish without anybody to tell: their lease counters stand still for one lease. What they held counts as
 * started, for lack of evidence. A worker of a living supervisor is killed by it long before. */

enum { EVERY_MS = 1000, LOOKS_A_LEASE = 5 };

static bool ask(struct scheduler *s, struct hx_pg_tx *tx) {
    (void)s;
    hx_ledger_workers(tx);
    return true;
}

static void lost(struct scheduler *s, int32_t worker, const json_t *row) {
    const char *host = "?", *instance = "?";
    json_int_t slot = 0;
    char silent_for[HX_DURATION_SIZE];
    hx_json_get_string(row, "hostname", &host);
    hx_json_get_string(row, "instance", &instance);
    hx_json_get_int(row, "slot", &slot);
    hx_duration_format(hx_config_int(s->config, HX_WORKER_LEASE), silent_for);
    _cleanup_free_ char *why = hx_printf("worker %s/%s/%lld was not heard of for %s; nothing is known of how it ended",
                                         host, instance, (long long)slot, silent_for);
    reaper_add(s->reaper, death_without_evidence(worker, "WORKER_LOST", why));
}

static void look(struct scheduler *s, const json_t *row) {
    json_int_t worker, lease;
    bool dead = true;
    hx_json_get_bool(row, "dead", &dead);
    if (dead || hx_json_get_int(row, "id", &worker) <= 0 || hx_json_get_int(row, "lease", &lease) <= 0)
        return;
    if (leases_seen(s->leases, (int32_t)worker, lease))
        lost(s, (int32_t)worker, row);
}

static int64_t answer(struct scheduler *s, const struct hx_pg_tx *tx) {
    int64_t ttl_ms = hx_config_int(s->config, HX_WORKER_LEASE);
    leases_begin(s->leases, hx_boot_ms(), ttl_ms);
    for (int i = 0; i < hx_pg_rows(tx, 0); i++) {
        size_t n;
        const char *text = hx_pg_get_text(tx, 0, i, 0, &n);
        _cleanup_json_ json_t *row = NULL;
        struct hx_json_error error;
        if (text && hx_json_parse(text, n, &row, &error) == 0)
            look(s, row);
    }
    leases_end(s->leases);
    return HX_MAX((int64_t)EVERY_MS, ttl_ms / LOOKS_A_LEASE);
}

static void failed(struct scheduler *s, const struct hx_pg_error *error) {
    (void)error;
    leases_forget(s->leases);
}

const struct task_kind lost_kind = {
    .name = "leases", .every_ms = EVERY_MS, .ask = ask, .answer = answer, .failed = failed
};
