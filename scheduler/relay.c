#include "scheduler/relay.h"

#include <stdlib.h>
#include <string.h>

/* From the outbox to Kafka: what its maker didn't publish. A row goes through
 *
 *   taken      it is ours until its new `due`, which relay_take sets: should we die, another relay takes it then
 *   expanded   read again: which of its jobs are still worth a record, and where they travel
 *   sent       its records are on their way (publish.c)
 *   done       every delivery report is in and good: it is struck off, with the next take
 *
 * A failed delivery needs no care: the row comes again when it is due. */

enum { EVERY_MS = 500, ROWS_MAX = 200, RECORDS_MAX = 20000, ROWS_PROBE = 10 };

void relay_row_ended(struct relay *r, struct row *row) {
    r->rows--;
    if (!row->failed) {
        if (r->done_count == r->done_cap) {
            r->done_cap = HX_MAX((size_t)64, r->done_cap * 2);
            r->done = hx_realloc(r->done, r->done_cap * sizeof *r->done);
        }
        r->done[r->done_count++] = row->id;
        r->scheduler->relayed++;
    }
    free(row);
    task_soon(r->take);
}

/* How many rows more may be taken now. While Kafka is silent a few find out whether it is back; the others keep their place at the
 * head of the outbox, instead of being pushed back for minutes by failures that say nothing about them. */
static int32_t room(const struct relay *r) {
    if (!r->open || r->scheduler->ending || r->taken_count || r->records >= RECORDS_MAX)
        return 0;
    size_t most = relay_silent(r) ? ROWS_PROBE : ROWS_MAX;
    if (r->rows >= most)
        return 0;
    size_t by_records = HX_MAX((size_t)1, (RECORDS_MAX - r->records) / HX_MAX((size_t)1, r->ids_in_row));
    return (int32_t)HX_MIN(most - r->rows, by_records);
}

static bool ask_take(struct scheduler *s, struct hx_pg_tx *tx) {
    struct relay *r = s->relay;
    int32_t limit = room(r);
    if (r->done_count)
        hx_ledger_outbox_done(tx, r->done, r->done_count);
    r->done_sending = r->done_count;
    r->take_at = limit ? hx_ledger_relay_take(tx, limit) : -1;
    return r->done_sending || limit;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void remember_taken(struct relay *r, const struct hx_pg_tx *tx) {
    enum hx_outbox_kind kind;
    enum { IDS_COLUMN = 2 };
    size_t n = (size_t)hx_pg_rows(tx, r->take_at), ids = 0;
    r->taken = hx_realloc(r->taken, HX_MAX((size_t)1, n) * sizeof *r->taken);
    for (size_t i = 0; i < n; i++) {
        size_t in_row;
        r->taken[i] = hx_ledger_read_outbox(tx, r->take_at, (int)i, &kind);
        free(hx_pg_get_uuids(tx, r->take_at, (int)i, IDS_COLUMN, &in_row));
        ids += in_row;
    }
    qsort(r->taken, n, sizeof *r->taken, by_number);
    r->taken_count = n;
    if (n) /* quick to grow, slow to shrink: too many at once is the mistake to avoid */
        r->ids_in_row = HX_MAX(ids / n, r->ids_in_row / 2);
}

static int64_t answer_take(struct scheduler *s, const struct hx_pg_tx *tx) {
    struct relay *r = s->relay;
    r->done_count -= r->done_sending;
    if (r->done_count)
        memmove(r->done, r->done + r->done_sending, r->done_count * sizeof *r->done);
    r->done_sending = 0;
    if (r->take_at >= 0)
        remember_taken(r, tx);
    if (r->taken_count)
        task_soon(r->expand);
    return TASK_RHYTHM;
}

static bool ask_expand(struct scheduler *s, struct hx_pg_tx *tx) {
    struct relay *r = s->relay;
    if (!r->taken_count)
        return false;
    hx_ledger_relay_jobs(tx, r->taken, r->taken_count);
    hx_ledger_relay_dead(tx, r->taken, r->taken_count);
    return true;
}

static int64_t answer_expand(struct scheduler *s, const struct hx_pg_tx *tx) {
    struct relay *r = s->relay;
    publish(r, tx, 0, 1);
    r->taken_count = 0;
    task_soon(r->take); /* there may be more, and rows without a record are done already */
    return TASK_RHYTHM;
}

static void failed_expand(struct scheduler *s, const struct hx_pg_error *error) {
    (void)error;
    s->relay->taken_count = 0;
}

static const struct task_kind take_kind = {
    .name = "relay", .every_ms = EVERY_MS, .to_the_end = true, .ask = ask_take, .answer = answer_take
};
static const struct task_kind expand_kind = {
    .name = "relay jobs", .to_the_end = true, .ask = ask_expand, .answer = answer_expand, .failed = failed_expand
};

static void notified(const char *channel, const char *payload, void *user) {
    struct relay *r = user;
    (void)channel, (void)payload;
    if (r->scheduler->started)
        task_soon(r->take);
}

int relay_new(struct scheduler *s, struct relay **ret, struct hx_kafka_error *reterr) {
    struct relay *r = hx_alloc(sizeof *r);
    *r = (struct relay){ .scheduler = s, .take_at = -1, .ids_in_row = 1000 };
    struct hx_kafka_options options = scheduler_kafka(s, "heimdex-scheduler");
    int error = hx_producer_new(s->loop, &options, publish_report, r, &r->producer, reterr);
    if (error < 0) {
        free(r);
        return error;
    }
    r->take = task_new(s, s->quick, &take_kind);
    r->expand = task_new(s, s->quick, &expand_kind);
    hx_pg_listen(s->quick, "heimdex_outbox", notified, r);
    *ret = r;
    return 0;
}

struct relay *relay_free(struct relay *r) {
    if (!r)
        return NULL;
    hx_producer_free(r->producer, 0); /* what is still on its way has its row in the outbox */
    publish_forget(r);
    task_free(r->take);
    task_free(r->expand);
    free(r->taken);
    free(r->done);
    free(r);
    return NULL;
}

void relay_open(struct relay *r) {
    r->open = true;
    task_soon(r->take);
}

void relay_soon(struct relay *r) {
    task_soon(r->take);
}

bool relay_idle(const struct relay *r) {
    return !r->taken_count && !r->rows && !r->done_count;
}

bool relay_silent(const struct relay *r) {
    return silence_now(&r->silence, hx_mono_ms());
}

bool relay_cut_off(struct relay *r) {
    return hx_producer_cut_off(r->producer);
}

void relay_topic(struct relay *r, const char *topic) {
    hx_producer_topic(r->producer, topic);
}
