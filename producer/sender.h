/* Batches on their way into the ledger: two transactions in flight, the same again after what passes, halves after a value that
 * the database refuses, and answers in the order of the batches. */
#pragma once

#include "common/loop.h"
#include "lib/pg/pg.h"
#include "producer/announce.h"
#include "producer/batch.h"

struct sender;

enum { SENDER_DEPTH = 2 };

struct sender_options {
    struct hx_loop *loop;
    struct hx_pg *pg;
    struct announcer *announcer;
    int64_t timeout_ms; /* how long a batch may take, attempts and pauses included */
    bool skip_refused;  /* goes on behind a job that the database refuses */
    /* Batches in the order they were added: all its jobs that are not refused are durable. */
    void (*settled)(const struct batch *b, void *user);
    /* A job that the database refuses. */
    void (*refused)(uint64_t line, const char *why, void *user);
    void *user;
};

struct sender *sender_new(const struct sender_options *options);
struct sender *sender_free(struct sender *s); /* after hx_pg_free; NULL is fine; returns NULL */
/* An empty batch to fill, the caller's until sender_add or batch_free. */
struct batch *sender_take_spare(struct sender *s);
/* Takes the batch over. One without jobs reads the job types if they are stale, and deletes what was delivered. */
void sender_add(struct sender *s, struct batch *b);
/* Batches added and not settled yet. */
unsigned sender_pending(const struct sender *s);
/* Tell it when the connection is there: what happens afterwards may pass. */
void sender_connected(struct sender *s);
/* Not NULL once it has given up; nothing is sent any more. */
const struct hx_pg_error *sender_error(const struct sender *s);
