/* A batch: up to a thousand jobs that are committed in one transaction, their strings, and what became of them. */
#pragma once

#include "lib/ledger/ledger.h"
#include "producer/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BATCH_JOBS = 1000, BATCH_PIECES = 16 };
#define BATCH_BYTES ((size_t)4 << 20)

struct sender;

/* What the ledger said about a job. */
struct answer {
    struct hx_uuid id; /* the job's own, or that of the job which had its key before */
    bool created;      /* the job is new; while under way: inserted by the last attempt */
    bool found;        /* this is the job that has its key */
    bool refused;      /* the database won't have it */
};

/* Jobs from `from` to before `to`. */
struct piece {
    size_t from, to;
};

struct batch {
    struct hx_new_job jobs[BATCH_JOBS];
    uint64_t lines[BATCH_JOBS]; /* where each comes from */
    struct answer answers[BATCH_JOBS];
    size_t n;
    struct arena arena;
    int64_t started_ms; /* when its first job came in */

    /* The sender's from here on. */
    struct sender *sender;
    struct batch *next;
    struct piece pieces[BATCH_PIECES]; /* what is still to be sent, the first on top: halving a thousand needs eleven */
    size_t piece_count;
    bool in_flight;
    bool sent;           /* some of it was, at least once */
    int64_t deadline_ms; /* 0: not sent yet */
    unsigned failures;
    int64_t *delivered; /* outbox rows that its transaction deletes */
    size_t delivered_count;
    int types, submit, keys; /* indices of its transaction's statements, -1 where it has none */
};

struct batch *batch_new(void);
struct batch *batch_free(struct batch *b); /* NULL is fine; returns NULL */
/* Empties it for its next use. */
void batch_clear(struct batch *b);
bool batch_is_full(const struct batch *b);
/* Where the next job goes; it counts only after batch_accept. The batch must not be full. */
struct hx_new_job *batch_next(struct batch *b);
/* Takes that job in and gives it its id. */
void batch_accept(struct batch *b, uint64_t line);

/* The first piece: all of it. Then batch_piece is what is to be sent next, NULL when all is done. */
void batch_begin(struct batch *b);
const struct piece *batch_piece(const struct batch *b);
void batch_piece_done(struct batch *b);
/* The ledger made some headway: the time allowed starts again. */
void batch_progressed(struct batch *b);
/* Nothing more of it is to be sent: what isn't done is no part of it any more. */
void batch_cut(struct batch *b);
/* Cuts the next piece, of two jobs or more, in two. */
void batch_halve(struct batch *b);
/* The job of that id within a piece, SIZE_MAX if there is none; *hint is where to look first, and moves on. */
size_t batch_find(const struct batch *b, const struct piece *p, const struct hx_uuid *id, size_t *hint);
