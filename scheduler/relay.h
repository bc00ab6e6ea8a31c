/* What the relay's two halves know of each other: relay.c takes rows of the outbox and strikes them off, publish.c makes records of
 * them and hears what became of those. */
#pragma once

#include "scheduler/scheduler.h"
#include "scheduler/silence.h"

/* A row of the outbox that this scheduler has taken over. It is in no list: its records hold it. */
struct row {
    int64_t id;
    size_t records; /* without a delivery report; one more while they are being made */
    bool failed;    /* it stays in the outbox, and comes again when it is due */
};

struct relay {
    struct scheduler *scheduler;
    struct hx_producer *producer;
    struct task *take, *expand;
    struct silence silence;

    bool
        open; /* topics.c has had its first try: a record to a topic that is missing would make it, as the broker likes */
    int64_t *taken; /* rows taken and not read yet, ascending */
    size_t taken_count;
    int take_at;       /* index of relay_take among the transaction's statements, -1: not in it */
    size_t ids_in_row; /* how long rows have been lately */

    size_t rows, records; /* in flight */
    struct sent *sent;    /* the records in flight (publish.c) */
    int64_t *done;        /* delivered rows, to be struck off; the first done_sending are on their way */
    size_t done_count, done_cap, done_sending;
    int64_t complained_ms;
};

/* publish.c: reads relay_jobs and relay_dead, sends their records, and takes the `taken` rows over. */
void publish(struct relay *r, const struct hx_pg_tx *tx, int jobs, int dead);
void publish_report(bool ok, const struct hx_kafka_error *error, void *record_user,
                    void *user); /* the producer's callback */
/* Forgets the records in flight; the producer is gone. */
void publish_forget(struct relay *r);
/* relay.c: all reports of the row are in. Frees it. */
void relay_row_ended(struct relay *r, struct row *row);
