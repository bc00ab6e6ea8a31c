/* What the ledger knows, for people and their tools. */
#include "lib/ledger/ledger_internal.h"

#include <string.h>

int hx_ledger_get_job(struct hx_pg_tx *tx, const struct hx_uuid *id) {
    int statement = LEDGER_ADD(tx, get_job);
    hx_pg_uuid(tx, id);
    return statement;
}

int hx_ledger_get_events(struct hx_pg_tx *tx, const struct hx_uuid *id) {
    int statement = LEDGER_ADD(tx, get_events);
    hx_pg_uuid(tx, id);
    return statement;
}

int hx_ledger_get_latest_event(struct hx_pg_tx *tx, const struct hx_uuid *id) {
    int statement = LEDGER_ADD(tx, get_latest_event);
    hx_pg_uuid(tx, id);
    return statement;
}

int hx_ledger_get_job_with_latest_event(struct hx_pg_tx *tx, const struct hx_uuid *id) {
    int statement = LEDGER_ADD(tx, get_job_with_latest_event);
    hx_pg_uuid(tx, id);
    return statement;
}

int hx_ledger_log_event(struct hx_pg_tx *tx, const struct hx_uuid *id, const char *detail) {
    int statement = LEDGER_ADD(tx, log_event);
    hx_pg_uuid(tx, id);
    hx_pg_jsonb(tx, detail, detail ? strlen(detail) : 0);
    return statement;
}

int hx_ledger_queued_jobs(struct hx_pg_tx *tx, const struct hx_uuid *org_id, int32_t limit, const char *type) {
    int statement = LEDGER_ADD(tx, queued_jobs);
    hx_pg_uuid(tx, org_id);
    hx_pg_int4(tx, limit);
    hx_pg_text(tx, type);
    return statement;
}

int hx_ledger_counts(struct hx_pg_tx *tx, const struct hx_uuid *org_id) {
    if (!org_id)
        return LEDGER_ADD(tx, counts);
    int statement = LEDGER_ADD(tx, counts_of_org);
    hx_pg_uuid(tx, org_id);
    return statement;
}

int hx_ledger_watch(struct hx_pg_tx *tx, const struct hx_uuid *id) {
    int statement = LEDGER_ADD(tx, watch);
    hx_pg_uuid(tx, id);
    return statement;
}

int hx_ledger_events_after(struct hx_pg_tx *tx, int64_t ts, const struct hx_uuid *event, const struct hx_uuid *job,
                           int32_t limit) {
    static const struct hx_uuid before_all;
    int statement = job ? LEDGER_ADD(tx, events_after_of_job) : LEDGER_ADD(tx, events_after);
    hx_pg_time(tx, ts == HX_NO_TIME ? 0 : ts);
    hx_pg_uuid(tx, event ? event : &before_all);
    hx_pg_int4(tx, limit);
    if (job)
        hx_pg_uuid(tx, job);
    return statement;
}

int hx_ledger_waiting_summary(struct hx_pg_tx *tx) {
    return LEDGER_ADD(tx, waiting_summary);
}

int hx_ledger_workers(struct hx_pg_tx *tx) {
    return LEDGER_ADD(tx, workers);
}

int hx_ledger_snapshots(struct hx_pg_tx *tx, int32_t seconds) {
    int statement = LEDGER_ADD(tx, snapshots);
    hx_pg_int4(tx, seconds);
    return statement;
}

int hx_ledger_stuck(struct hx_pg_tx *tx) {
    return LEDGER_ADD(tx, stuck);
}
