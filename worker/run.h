/* One job of ours, from the claim that took it until its outcome is committed. */
#pragma once

#include "worker/worker.h"

/* A claim row of ours: it is deleted in the transaction that completes its last job; a receipt, which has no job, by the next. */
struct claim {
    struct hx_uuid token;
    size_t left;   /* runs of it whose outcome isn't committed; 1 for a receipt */
    size_t ending; /* scratch of complete.c: those of them in the transaction being built */
    bool closing;  /* a transaction in flight deletes the row */
};

enum stop { STOP_NONE, STOP_TIMEOUT, STOP_TASKS, STOP_CANCEL, STOP_DRAIN };

struct cgroup; /* cgroup.h */
struct exec;   /* exec.h */
struct held;   /* alone.h */
struct mock;   /* mock.h */

struct run {
    struct worker *worker;
    struct run *prev, *next; /* in worker.runs */
    struct run *ended_next;  /* in worker.ended_* */
    struct claim *claim;
    const struct handler *handler;
    struct hx_uuid id, org_id;
    int32_t attempt, max_attempts, fence, crash_count, priority;
    int64_t timeout_ms;
    int64_t started_us; /* wall clock */
    struct hx_evidence_entry *evidence;
    struct hx_timer *timer; /* timeout of the run, then grace of its end */
    struct exec *exec;
    struct cgroup *cgroup; /* of the program, or NULL */
    uint64_t program;      /* its number among the programs that this worker started */
    uint64_t mark;         /* on each of its processes (common/mark.h) */
    struct mock *mock;
    struct held *held; /* claimed and kept back: it has not started */

    enum stop stop; /* why the fleet ends it early */
    char *stop_why;
    bool ended, sending;
    bool told;             /* story.h: its way is told */
    bool unwritable;       /* the database refused what it came to, and it came to that instead */
    bool output_truncated; /* it printed more than the log takes of a run; the event of its end says so */

    char **messages; /* detail_json of progress events that are not committed yet, oldest first */
    size_t message_count, message_sending;
    bool last_is_stage; /* the newest of them opened a stage: it may not be coalesced away */

    /* What it came to; outcome.c sets it. Strings are owned. */
    struct hx_outcome outcome;
    char *code, *text, *detail;
    char spent[96]; /* what a program used: members of the event's detail, or empty */
    bool plain;     /* a success of a builtin at the first attempt: the event's detail is the batch's */

    struct hx_log_ctx ctx;
    char id_text[HX_UUID_SIZE], org_text[HX_UUID_SIZE], trace_id[33]; /* empty until run_ctx, unless the job has one */
};

/* Takes over a claimed job; it isn't started yet. */
struct run *run_new(struct worker *w, struct claim *claim, const struct handler *handler, const struct hx_job *job);
/* Forgets it: the outcome is committed, or this process is about to end. Frees what is left of the handler. */
void run_free(struct run *run);
/* One run less that the claim stands for. After the last the row is deleted, if no transaction in flight does it, and the claim freed. */
void claim_release(struct worker *w, struct claim *claim);
/* Starts the handler. job is the row that run_new had. */
void run_start(struct run *run, const struct hx_job *job);
/* The handler has ended and run.outcome is set: the outcome waits for the next transaction. */
void run_end(struct run *run);
/* Asks the handler to end early; why is copied. No effect on one that has ended. */
void run_stop(struct run *run, enum stop stop, const char *why);
/* Records stage and progress: an event of the job. detail is a JSON object, taken over; stage: must not be coalesced. */
void run_tell(struct run *run, char *detail, bool stage);
const struct hx_log_ctx *run_ctx(struct run *run);
/* The same for one event. Valid until the next call. */
const struct hx_log_ctx *run_event(struct run *run, const char *event);
struct run *run_find(struct worker *w, const struct hx_uuid *id);
