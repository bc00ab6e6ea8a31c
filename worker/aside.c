#include "worker/aside.h"

#include <stdlib.h>
#include <string.h>

enum { QUARANTINED_BYTES = 64 * 1024, RETRY_MS = 1000 };

struct aside {
    struct worker *worker;
    struct aside *prev, *next; /* in worker->asides */
    const char *why;
    /* either candidates, */
    struct candidate *parked;
    size_t n;
    /* or a record */
    struct candidate record; /* its only part */
    char *topic;
    int32_t partition;
    int64_t offset;
    struct hx_buf data;
    size_t size;
    struct hx_timer *again;
};

static void write_down(void *user);

static void aside_free(struct aside *a) {
    a->worker->parking -= a->n;
    if (a->prev)
        a->prev->next = a->next;
    else
        a->worker->asides = a->next;
    if (a->next)
        a->next->prev = a->prev;
    free(a->parked);
    free(a->topic);
    hx_buf_reset(&a->data);
    hx_timer_free(a->again);
    free(a);
}

static void written(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    (void)tx;
    struct aside *a = user;
    if (a->worker->leaving) {
        aside_free(a);
    } else if (error && error->class != HX_PG_DATA) {
        if (!a->again)
            a->again = hx_timer_new(a->worker->loop, write_down, a);
        hx_timer_set(a->again, RETRY_MS);
    } else {
        if (a->n)
            worker_settle_candidates(a->worker, a->parked, a->n);
        else
            worker_settle_candidates(a->worker, &a->record, 1);
        aside_free(a);
    }
}

static void park(struct aside *a, struct hx_pg_tx *tx) {
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(a->n, sizeof *ids);
    for (size_t i = 0; i < a->n; i++)
        ids[i] = a->parked[i].id;
    hx_ledger_park(tx, ids, a->n, a->why);
}

static void write_down(void *user) {
    struct aside *a = user;
    struct hx_pg_tx *tx = hx_pg_tx_new("put aside");
    if (a->n)
        park(a, tx);
    else
        hx_ledger_quarantine(tx, a->topic, a->partition, a->offset, a->why, a->data.data, a->data.len,
                             (int64_t)a->size);
    hx_pg_submit(a->worker->side, tx, 0, written, a);
}

static struct aside *aside_new(struct worker *w, const char *why) {
    struct aside *a = hx_alloc(sizeof *a);
    *a = (struct aside){ .worker = w, .why = why, .next = w->asides };
    if (a->next)
        a->next->prev = a;
    return w->asides = a;
}

void aside_record(struct worker *w, const struct hx_record *r, const char *why) {
    struct aside *a = aside_new(w, why);
    a->partition = r->partition;
    a->offset = r->offset;
    a->size = r->size;
    a->record.record = hx_progress_begin(w->progress, r->topic, r->partition, r->offset, 1);
    a->topic = hx_strdup(r->topic);
    hx_buf_append(&a->data, r->data, HX_MIN(r->size, (size_t)QUARANTINED_BYTES));
    write_down(a);
}

void aside_park(struct worker *w, const struct candidate *c, size_t n, const char *reason) {
    struct aside *a = aside_new(w, reason);
    a->n = n;
    a->parked = hx_allocn(n, sizeof *a->parked);
    memcpy(a->parked, c, n * sizeof *c);
    w->parking += n;
    write_down(a);
}

void aside_free_all(struct worker *w) {
    while (w->asides)
        aside_free(w->asides);
}
