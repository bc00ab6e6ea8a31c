/* A transaction of the `work` connection: outcomes of runs that ended, and the claim of the next ones, in one round trip. Either all of
 * it happened, or none, or nobody knows yet. */
#pragma once

#include "worker/run.h"

/* A claim that the transaction makes: one for all types without a limit, one for each type with a fleet-wide limit, and a receipt where it
 * carries messages. */
struct part {
    struct claim *claim;
    int statement;
};

struct flight {
    struct worker *worker;
    struct run **outcomes; /* ascending by id */
    size_t outcome_count;
    int complete, settle; /* their statements, -1: none */
    struct batch batch;   /* the candidates asked for */
    struct part *parts;
    size_t part_count;
    size_t messages;       /* progress events in it */
    struct hx_uuid *spent; /* claim rows that it deletes beside those that its own outcomes end */
    size_t spent_count;
    size_t builtin, slotted; /* candidates by kind */
    int32_t backend_pid;     /* in doubt: the backend that may still commit it */
    struct hx_timer *ask;    /* in doubt: when to ask again */
};

/* In flight at once: while the server works on one, the next is on its way. More would only make smaller batches. */
enum { FLIGHTS = 2 };

struct flight *flight_new(struct worker *w);
/* Frees it and nothing that it speaks of. */
struct flight *flight_free(struct flight *f);
bool flight_empty(const struct flight *f);
/* One more part, with a claim of its own; its statement is the caller's to set. */
struct part *flight_part(struct flight *f);
/* What can go now, into both. */
void flight_fill(struct flight *f, struct hx_pg_tx *tx);
/* Takes both over. */
void flight_send(struct flight *f, struct hx_pg_tx *tx);
/* The transaction did not happen: everything goes back to where it came from. */
void flight_undo(struct flight *f);

/* complete.c */
void complete_add(struct flight *f, struct hx_pg_tx *tx);
void complete_committed(struct flight *f,
                        const struct hx_pg_tx *tx); /* tx NULL: known to have committed, results unknown */
void complete_undo(struct flight *f);
/* tell.c */
void tell_add(struct flight *f, struct hx_pg_tx *tx);
void tell_committed(struct flight *f);
void tell_undo(struct flight *f);
/* The database refuses a value of f, which carries messages: the next go singly. Of one that was alone nothing is left. */
void tell_refused(struct flight *f, const struct hx_pg_error *error);
enum { TELL_ROUNDS = 64 }; /* progress events of one run that one transaction carries */
/* claim.c */
void claim_add(struct flight *f, struct hx_pg_tx *tx);
void claim_committed(struct flight *f, const struct hx_pg_tx *tx);
/* Starts what its claims took, from the rows of each part's statement in tx, and settles all candidates. Takes the claims over. */
void claim_landed(struct flight *f, const struct hx_pg_tx *tx);
/* Starts what a claim took, from the rows of `statement`. Takes the claim over. */
void claim_run(struct worker *w, struct claim *claim, const struct batch *batch, const struct hx_pg_tx *tx,
               int statement);
void claim_undo(struct flight *f);
/* doubt.c: asks until it is known whether f committed, then goes on accordingly. Takes f over. */
void doubt_ask(struct flight *f);
