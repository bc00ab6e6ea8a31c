/* Workers sign on, show that they live, sign off, or are declared dead. */
#include "lib/ledger/ledger_internal.h"

#include <string.h>

int hx_ledger_register_worker(struct hx_pg_tx *tx, const struct hx_worker_info *worker) {
    int statement = LEDGER_ADD(tx, register_worker);
    hx_pg_text(tx, worker->host);
    hx_pg_text(tx, worker->hostname);
    hx_pg_text(tx, worker->instance);
    hx_pg_int4(tx, worker->slot);
    hx_pg_uuid(tx, &worker->incarnation);
    hx_pg_text(tx, worker->boot_id);
    hx_pg_int4(tx, worker->pid);
    hx_pg_text(tx, worker->version);
    hx_pg_texts(tx, worker->types, worker->type_count);
    hx_pg_int4(tx, (int32_t)worker->lease_ms);
    return statement;
}

int hx_ledger_renew(struct hx_pg_tx *tx, int32_t worker, int32_t running, int64_t lease_ms) {
    int statement = LEDGER_ADD(tx, renew);
    hx_pg_int4(tx, worker);
    hx_pg_int4(tx, running);
    hx_pg_int4(tx, (int32_t)lease_ms);
    return statement;
}

int hx_ledger_signals(struct hx_pg_tx *tx, int32_t worker) {
    int statement = LEDGER_ADD(tx, signals);
    hx_pg_int4(tx, worker);
    return statement;
}

int hx_ledger_sign_off(struct hx_pg_tx *tx, int32_t worker) {
    int statement = LEDGER_ADD(tx, sign_off);
    hx_pg_int4(tx, worker);
    return statement;
}

int hx_ledger_claims_of(struct hx_pg_tx *tx, int32_t worker) {
    int statement = LEDGER_ADD(tx, claims_of);
    hx_pg_int4(tx, worker);
    return statement;
}

int hx_ledger_bereaved(struct hx_pg_tx *tx, const char *host, const char *hostname, const char *instance,
                       const struct hx_uuid *incarnation) {
    int statement = LEDGER_ADD(tx, bereaved);
    hx_pg_text(tx, host);
    hx_pg_text(tx, hostname);
    hx_pg_text(tx, instance);
    hx_pg_uuid(tx, incarnation);
    return statement;
}

int hx_ledger_leases(struct hx_pg_tx *tx) {
    return LEDGER_ADD(tx, leases);
}

int hx_ledger_reap(struct hx_pg_tx *tx, const struct hx_death *death) {
    LEDGER_ADD(tx, bury_worker);
    hx_pg_int4(tx, death->worker);

    LEDGER_ADD(tx, releasing);
    hx_pg_int4(tx, death->worker);

    const char *detail = death->detail ? death->detail : "{}";
    int statement = LEDGER_ADD(tx, release);
    hx_pg_int4(tx, death->worker);
    hx_pg_uuids(tx, death->ids, death->n);
    hx_pg_int4s(tx, death->fences, death->n);
    hx_pg_bools(tx, death->ended, death->n);
    hx_pg_bool(tx, death->no_evidence);
    hx_pg_text(tx, death->code);
    hx_pg_text(tx, death->message);
    hx_pg_jsonb(tx, detail, strlen(detail));
    hx_pg_int8(tx, death->backoff_base_ms);
    hx_pg_int8(tx, death->backoff_max_ms);
    hx_pg_int4(tx, death->max_crashes);
    return statement;
}

struct hx_reaped hx_ledger_read_reaped(const struct hx_pg_tx *tx, int statement) {
    return (struct hx_reaped){
        .started = hx_pg_get_int8(tx, statement, 0, 0),
        .ended = hx_pg_get_int8(tx, statement, 0, 1),
        .untouched = hx_pg_get_int8(tx, statement, 0, 2),
        .dead_lettered = hx_pg_get_int8(tx, statement, 0, 3),
    };
}
