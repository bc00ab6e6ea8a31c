/* The ledger: every statement that the product sends to PostgreSQL, and nothing else knows SQL. docs/protocol.md explains why
 * each statement is as it is; the texts stand in sql/.
 *
 * The functions here append a statement to a transaction and return its index; the matching hx_ledger_read_* decodes its
 * result in the transaction's callback. All are set-based: they take arrays, and ids must be ascending where it says so
 * (every batch locks rows in the same order). Strings are copied into the transaction; what is read points into the result
 * and lives until the callback returns. Times are Unix microseconds, durations milliseconds. */
#pragma once

#include "common/uuid.h"
#include "lib/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HX_NO_TIME INT64_MIN

enum hx_status { HX_QUEUED, HX_RUNNING, HX_SUCCEEDED, HX_FAILED, HX_CANCELED, HX_DEAD_LETTER, HX_STATUSES };
const char *hx_status_name(enum hx_status status);
int hx_status_parse(const char *name, enum hx_status *ret); /* 0 or -EINVAL */
bool hx_status_terminal(enum hx_status status);

/* --- submit.c: jobs come in --- */
struct hx_new_job {
    struct hx_uuid id; /* version 7, made by the caller: a repeat with the same id changes nothing */
    struct hx_uuid org_id;
    const char *type;
    const char *payload; /* JSON text, NUL-terminated; NULL: {} */
    size_t payload_len;
    int32_t priority;
    const char *key, *requested_by; /* or NULL */
    int32_t max_attempts;           /* INT32_MIN: the handler's */
    int64_t timeout_ms;             /* INT64_MIN: the handler's */
    int64_t run_at;                 /* HX_NO_TIME: at once */
    const char *traceparent;        /* or NULL */
};
/* One batch, one outbox row. Ids ascending. */
int hx_ledger_submit(struct hx_pg_tx *tx, const struct hx_new_job *jobs, size_t n);
/* The same for jobs without keys that nobody has sent before: an id that exists is an error of class HX_PG_DATA. A row that may conflict is
 * inserted speculatively, under a lock of its own, which costs a sixth of the statement. */
int hx_ledger_submit_new(struct hx_pg_tx *tx, const struct hx_new_job *jobs, size_t n);
/* Rows of submit's result: the jobs that were new. *ret_outbox is 0 when nothing of the batch is to be announced. */
struct hx_submitted {
    struct hx_uuid id;
    bool delayed;
};
struct hx_submitted hx_ledger_read_submitted(const struct hx_pg_tx *tx, int statement, int row, int64_t *ret_outbox);
/* For the jobs with a key that submit did not return: whose key is it? Rows: (index into the arrays given, id). */
int hx_ledger_find_keys(struct hx_pg_tx *tx, const struct hx_uuid *orgs, const char *const *keys, size_t n);
struct hx_uuid hx_ledger_read_key(const struct hx_pg_tx *tx, int statement, int row, size_t *ret_index);
int hx_ledger_outbox_done(struct hx_pg_tx *tx, const int64_t *ids, size_t n);

/* --- types.c --- */
struct hx_type_info {
    const char *type, *queue;
    int32_t announce;
    int32_t concurrency;  /* INT32_MIN: none */
    int32_t max_attempts; /* INT32_MIN: unset */
    const char *limits;   /* JSON object */
    bool paused;
};
int hx_ledger_types(struct hx_pg_tx *tx); /* all registered types */
struct hx_type_info hx_ledger_read_type(const struct hx_pg_tx *tx, int statement, int row);
int hx_ledger_register_types(struct hx_pg_tx *tx, const struct hx_type_info *types, size_t n);
int hx_ledger_pause(struct hx_pg_tx *tx, const char *type, bool paused); /* affected 0: no such type */

/* --- claim.c --- */
struct hx_job {
    struct hx_uuid id, org_id;
    const char *type;
    int32_t attempt, max_attempts, fence, crash_count, priority;
    int64_t timeout_ms; /* INT64_MIN: the handler's */
    const char *payload;
    size_t payload_len;
    const char *traceparent; /* or NULL */
};
/* claim, unwait and park_paused in one: three statements; returns the first's index. Ids ascending, each once. `label` is the
 * worker's name in events: "host/instance/slot". */
int hx_ledger_claim(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                    const int32_t *max_attempts, size_t n, const char *const *types, size_t type_count,
                    const char *label);
/* The same for ids of one type with a fleet-wide limit; what finds no permit is parked as `limited`. */
int hx_ledger_claim_limited(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                            size_t n, int32_t max_attempts, const char *type, const char *label);
struct hx_job hx_ledger_read_job(const struct hx_pg_tx *tx, int statement,
                                 int row); /* of claim, claim_limited, claimed_again */
/* A claim without jobs, for a transaction that must be known to have committed and may take none. No rows; deleted like a claim. */
int hx_ledger_receipt(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker);
/* Row 0 column 0: bool, the backend lives, and what it was sent may still commit. */
int hx_ledger_backend(struct hx_pg_tx *tx, int32_t backend_pid);
/* Row 0 column 0: bool, the claim is there. A no is final if hx_ledger_backend in front of it said no. */
int hx_ledger_asked(struct hx_pg_tx *tx, const struct hx_uuid *token);
int hx_ledger_claimed_again(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker);
/* reason: "no_handler", "limited", "busy" (no slot became free). Ids in any order. */
int hx_ledger_park(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason);
/* Rows: those of the ids, ascending, that are no job's. */
int hx_ledger_missing(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n);
/* Up to `limit` due waiting rows of these types, reserved for 10 s. Rows: candidates for a claim. */
int hx_ledger_take(struct hx_pg_tx *tx, const char *const *types, size_t type_count, int32_t limit);
struct hx_candidate {
    struct hx_uuid id;
    const char *type;
    int32_t priority;
};
struct hx_candidate hx_ledger_read_candidate(const struct hx_pg_tx *tx, int statement, int row);

/* --- settle.c: running jobs come to something --- */
/* running -> succeeded. details[i] NULL: `detail` serves. Rows: the ids that were changed; a missing one was refused by its fence. */
int hx_ledger_complete(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n, const char *detail);
struct hx_outcome {
    struct hx_uuid id;
    int32_t fence;
    enum hx_status status;      /* any but RUNNING; FAILED and QUEUED wait for delay_ms */
    const char *code, *message; /* of the error, or NULL */
    const char *detail;         /* the event's detail_json, or NULL */
    int64_t delay_ms;
    const char *reason; /* in waiting: "retry", "snoozed", "released"; NULL for terminal statuses */
    int32_t add_max_attempts,
        add_attempt; /* e.g. +1, 0 for a run the fleet cut short; 0, -1 for what had not started */
};
/* Of this worker's runs. What was asked to stop and ends otherwise than by a success becomes canceled instead. Ids ascending. Rows: the
 * ids that were changed, and text status. One statement, or two; returns the last's index. */
int hx_ledger_settle(struct hx_pg_tx *tx, int32_t worker, const struct hx_outcome *outcomes, size_t n);
struct hx_uuid hx_ledger_read_id(const struct hx_pg_tx *tx, int statement, int row); /* column 0 of complete, settle */
int hx_ledger_claim_done(struct hx_pg_tx *tx, const struct hx_uuid *tokens, size_t n);
int hx_ledger_answered(struct hx_pg_tx *tx, int32_t worker, const struct hx_uuid *ids, size_t n);
int hx_ledger_permit_free(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n);
int hx_ledger_progress(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n);

/* --- fleet.c: workers live and die --- */
struct hx_worker_info {
    int32_t id;
    const char *host, *hostname, *instance, *boot_id, *version;
    int32_t slot, pid;
    int64_t lease_ms; /* how long it may be silent */
    struct hx_uuid incarnation;
    const char *const *types;
    size_t type_count;
};
int hx_ledger_register_worker(struct hx_pg_tx *tx,
                              const struct hx_worker_info *worker); /* id is ignored; row 0 column 0: int4 id */
/* lease_ms: from now on. Row 0 column 0: bool alive. */
int hx_ledger_renew(struct hx_pg_tx *tx, int32_t worker, int32_t running, int64_t lease_ms);
int hx_ledger_signals(struct hx_pg_tx *tx, int32_t worker); /* rows: uuid job, text reason */
int hx_ledger_sign_off(struct hx_pg_tx *tx, int32_t worker);
/* Tokens of the claims on record for the worker, to compare with what it holds. Rows: uuid. */
int hx_ledger_claims_of(struct hx_pg_tx *tx, int32_t worker);
int hx_ledger_bereaved(struct hx_pg_tx *tx, const char *host, const char *hostname, const char *instance,
                       const struct hx_uuid *incarnation); /* rows: int4 */

/* All workers that aren't dead. Rows: int4 id, int8 lease, text hostname, text instance, int4 slot, int4 lease in ms or null. */
int hx_ledger_leases(struct hx_pg_tx *tx);

struct hx_death {
    int32_t worker;
    const struct hx_uuid *ids; /* with evidence */
    const int32_t *fences;
    const bool *ended;
    size_t n;
    bool no_evidence;           /* everything it held counts as started */
    const char *code, *message; /* "SIGSEGV", "worker 1234 died by SIGSEGV (core dumped)" */
    const char *detail;         /* JSON object for the events */
    int64_t backoff_base_ms, backoff_max_ms;
    int32_t max_crashes;
};
/* bury_worker, releasing and release: three statements; returns the last's index. */
int hx_ledger_reap(struct hx_pg_tx *tx, const struct hx_death *death);
struct hx_reaped {
    int64_t started, ended, untouched, dead_lettered;
};
struct hx_reaped hx_ledger_read_reaped(const struct hx_pg_tx *tx, int statement);

/* --- relay.c, upkeep.c: the scheduler's statements --- */
enum hx_outbox_kind { HX_OUTBOX_ANNOUNCE, HX_OUTBOX_DEAD_LETTER, HX_OUTBOX_QUARANTINE };
int hx_ledger_relay_take(struct hx_pg_tx *tx, int32_t limit);
int64_t hx_ledger_read_outbox(const struct hx_pg_tx *tx, int statement, int row, enum hx_outbox_kind *ret_kind);
int hx_ledger_relay_jobs(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n);
struct hx_relay_job {
    int64_t outbox_id;
    struct hx_uuid id;
    const char *type, *queue;
    int32_t announce;
    bool high;
}; /* sorted by type, then band */
struct hx_relay_job hx_ledger_read_relay_job(const struct hx_pg_tx *tx, int statement, int row);
int hx_ledger_relay_dead(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n);
struct hx_dead_record {
    int64_t outbox_id;
    const char *key, *record;
    size_t record_len;
};
struct hx_dead_record hx_ledger_read_dead_record(const struct hx_pg_tx *tx, int statement, int row);
int hx_ledger_due(struct hx_pg_tx *tx, int32_t limit); /* row 0 column 0: int8 how many were due */
struct hx_swept {
    int64_t walked, swept;
    struct hx_uuid last;
    bool any; /* last is set */
};
int hx_ledger_sweep(struct hx_pg_tx *tx, int64_t behind_ms, int32_t limit);
int hx_ledger_peek(struct hx_pg_tx *tx, int64_t behind_ms, int32_t limit, const struct hx_uuid *from);
struct hx_swept hx_ledger_read_swept(const struct hx_pg_tx *tx, int statement);
int hx_ledger_fold(struct hx_pg_tx *tx, int32_t limit); /* row 0 column 0: int8 how many were folded */
int hx_ledger_upkeep(struct hx_pg_tx *tx);              /* row 0: int4 partitions made, int8 workers forgotten */
/* record: the first size_kept bytes of it (at most 64 KiB are kept) */
int hx_ledger_quarantine(struct hx_pg_tx *tx, const char *topic, int32_t partition, int64_t offset, const char *reason,
                         const void *record, size_t size_kept, int64_t size);
int hx_ledger_schema(struct hx_pg_tx *tx); /* row 0 column 0: text revision, or no row */

/* --- operate.c: what operators and clients ask for --- */
/* Rows: uuid id, text status before (missing: no such job). Two statements (cancel, unwait); returns the first's index. */
int hx_ledger_cancel(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason);
/* Rows: uuid id, text status before, bool stopping (asked to stop and not canceled yet: try again later). */
int hx_ledger_retry(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason);
struct hx_redrive {
    const char *type, *error_code; /* NULL: any */
    int64_t since, until;          /* of finished_at; HX_NO_TIME: open */
    int32_t limit;
};
int hx_ledger_redrive_pick(struct hx_pg_tx *tx,
                           const struct hx_redrive *filter); /* rows: uuid id, text type, text code */

/* --- read.c: what the ledger knows; rows as JSON texts ready to print, or columns. Lists of jobs: lib/ledger/search.h --- */
int hx_ledger_get_job(struct hx_pg_tx *tx, const struct hx_uuid *id);    /* row: text JSON object of the job */
int hx_ledger_get_events(struct hx_pg_tx *tx, const struct hx_uuid *id); /* rows: text JSON object, oldest first */
int hx_ledger_get_latest_event(struct hx_pg_tx *tx, const struct hx_uuid *id);          /* row: text JSON object */
int hx_ledger_get_job_with_latest_event(struct hx_pg_tx *tx, const struct hx_uuid *id); /* row: text job, text event */
int hx_ledger_log_event(struct hx_pg_tx *tx, const struct hx_uuid *id,
                        const char *detail); /* affected 0: no such job */
int hx_ledger_queued_jobs(struct hx_pg_tx *tx, const struct hx_uuid *org_id, int32_t limit, const char *type);
int hx_ledger_counts(struct hx_pg_tx *tx,
                     const struct hx_uuid *org_id); /* rows: text type, text status, int8 count; NULL: all orgs */
int hx_ledger_watch(struct hx_pg_tx *tx,
                    const struct hx_uuid *id); /* for --wait: text status, text latest event detail */
/* Events after a place, oldest first: rows: time ts, uuid id, text JSON object. job may be NULL; event NULL: all of that moment;
 * ts HX_NO_TIME: from the beginning (slow over millions of events, unless of one job). */
int hx_ledger_events_after(struct hx_pg_tx *tx, int64_t ts, const struct hx_uuid *event, const struct hx_uuid *job,
                           int32_t limit);
/* Status pages: queues: text type, text queue, text reason, int8 count, time oldest due, bool paused, bool handled. */
int hx_ledger_waiting_summary(struct hx_pg_tx *tx);
int hx_ledger_workers(struct hx_pg_tx *tx); /* rows: text JSON object of a worker, with its claims and jobs running */
/* Who has held a snapshot for longer than that many seconds: no row, or int4 pid, text login, text application, int8 seconds. */
int hx_ledger_snapshots(struct hx_pg_tx *tx, int32_t seconds);
int hx_ledger_stuck(
    struct hx_pg_tx *tx); /* one row: text JSON object: outbox, sweep lag, quarantine, oldest waiting, oldest running */
