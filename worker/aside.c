#include "worker/aside.h"

#include "lib/kafka/record.h"

#include <stdlib.h>
#include <string.h>

/* So few in a transaction, because renewals of the lease wait behind it. */
enum { MISSING_AT_ONCE = 64 };
enum { QUARANTINED_BYTES = 64 * 1024, RETRY_MS = 1000 };

struct aside {
    struct worker *worker;
    struct aside *prev, *next; /* in worker->asides */
    struct candidate *v;       /* done once it is written */
    size_t n;
    struct hx_timer *again;
    bool refused; /* and said so */
    /* either candidates: parked, and looked for; or known to be no jobs */
    const char *reason; /* in `waiting`; NULL: they were only missed */
    char *type;         /* of all of them, or NULL */
    int looked;         /* the statement that looks for them */
    bool missing;
    /* or a record */
    char *topic, *why;
    int32_t partition;
    int64_t offset;
    struct hx_buf data;
    size_t size;
};

static void write_down(void *user);

static void aside_free(struct aside *a) {
    a->worker->aside_count--;
    if (a->reason)
        a->worker->parking -= a->n;
    if (a->prev)
        a->prev->next = a->next;
    else
        a->worker->asides = a->next;
    if (a->next)
        a->next->prev = a->prev;
    free(a->v);
    free(a->type);
    free(a->topic);
    free(a->why);
    hx_buf_reset(&a->data);
    hx_timer_free(a->again);
    free(a);
}

static struct aside *aside_new(struct worker *w, const struct candidate *c, size_t n) {
    struct aside *a = hx_alloc(sizeof *a);
    *a = (struct aside){ .worker = w, .next = w->asides, .n = n };
    a->v = hx_allocn(n, sizeof *a->v);
    memcpy(a->v, c, n * sizeof *c);
    if (a->next)
        a->next->prev = a;
    w->aside_count++;
    return w->asides = a;
}

/* Who floods a topic doesn't flood the log. */
enum { TOLD_AT_ONCE = 50, TOLD_A_SECOND = 5 };

static void tell(const char *topic, int32_t partition, int64_t offset, const char *what, const char *why) {
    static struct hx_allowance allowance = { .burst = TOLD_AT_ONCE, .per_second = TOLD_A_SECOND };
    if (!hx_allowance_take(&allowance, hx_mono_ms()))
        return;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.topic = topic;
    ctx.partition = partition;
    ctx.offset = offset;
    ctx.event = "record.quarantined";
    hx_warning(&ctx, "%s, quarantined: %s", what, why);
}

/* ---- ids of no job ---- */

/* As a record that announces nothing else: which of a record's ids come together here is chance, and read again it must be the same. */
static void quarantine_id(const struct aside *a, const struct candidate *c, struct hx_pg_tx *tx) {
    _cleanup_buf_ struct hx_buf record = { 0 };
    char id[HX_UUID_SIZE], why[64];
    const char *topic;
    int32_t partition;
    int64_t offset;
    hx_progress_place(c->record, &topic, &partition, &offset);
    hx_announcement_encode(&record, a->type ? a->type : c->handler->type, &c->id, 1);
    hx_uuid_format(&c->id, id);
    snprintf(why, sizeof why, "no such job: %s", id);
    hx_ledger_quarantine(tx, topic, partition, offset, why, record.data, record.len, (int64_t)record.len);
}

static void tell_missing(const struct aside *a) {
    for (size_t i = 0; i < a->n; i++) {
        char id[HX_UUID_SIZE];
        const char *topic;
        int32_t partition;
        int64_t offset;
        hx_progress_place(a->v[i].record, &topic, &partition, &offset);
        hx_uuid_format(&a->v[i].id, id);
        tell(topic, partition, offset, "announcement of no job", id);
    }
}

/* What retention may have deleted is done, however often its record is read. */
static bool may_be_deleted(const struct worker *w, const struct hx_uuid *id) {
    int64_t kept_ms = hx_config_int(w->config, HX_SCHEDULER_RETENTION), ms = hx_uuid_v7_ms(id);
    return kept_ms && ms >= 0 && ms < hx_wall_us() / 1000 - kept_ms;
}

static bool is_missing(const struct aside *a, const struct hx_pg_tx *tx, const struct candidate *c) {
    int low = 0, high = hx_pg_rows(tx, a->looked);
    while (c->record && low < high) {
        int middle = low + (high - low) / 2;
        struct hx_uuid id = hx_pg_get_uuid(tx, a->looked, middle, 0);
        int order = hx_uuid_cmp(&c->id, &id);
        if (!order)
            return !may_be_deleted(a->worker, &c->id);
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return false;
}

/* Candidates that are no jobs go on, the others are done. */
static void after_look(struct aside *a, const struct hx_pg_tx *tx) {
    size_t n = 0, done = 0;
    _cleanup_free_ struct candidate *missing = hx_allocn(a->n, sizeof *missing);
    for (size_t i = 0; i < a->n; i++)
        if (is_missing(a, tx, &a->v[i]))
            missing[n++] = a->v[i];
        else
            a->v[done++] = a->v[i];
    worker_settle_candidates(a->worker, a->v, done);
    for (size_t i = 0; i < n; i += MISSING_AT_ONCE) {
        struct aside *next = aside_new(a->worker, &missing[i], HX_MIN(n - i, (size_t)MISSING_AT_ONCE));
        next->type = a->type ? hx_strdup(a->type) : NULL;
        next->missing = true;
        tell_missing(next);
        write_down(next);
    }
}

static void tell_refusal(struct aside *a, const struct hx_pg_error *error) {
    if (a->refused || error->class == HX_PG_UNAVAILABLE || error->class == HX_PG_RETRY)
        return;
    a->refused = true;
    hx_warning(NULL, "what Kafka brought can't be put aside: %s", hx_pg_error_reason(error));
}

static void written(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct aside *a = user;
    if (error && !a->worker->leaving)
        tell_refusal(a, error);
    if (a->worker->leaving) {
        aside_free(a);
    } else if (error && error->class != HX_PG_DATA) {
        if (!a->again)
            a->again = hx_timer_new(a->worker->loop, write_down, a);
        hx_timer_set(a->again, RETRY_MS);
    } else {
        if (error || a->topic || a->missing)
            worker_settle_candidates(a->worker, a->v, a->n);
        else
            after_look(a, tx);
        aside_free(a);
    }
}

static struct hx_pg_tx *look(struct aside *a) {
    struct hx_pg_tx *tx = hx_pg_tx_new("put aside");
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(a->n, sizeof *ids);
    for (size_t i = 0; i < a->n; i++)
        ids[i] = a->v[i].id;
    if (a->reason)
        hx_ledger_park(tx, ids, a->n, a->reason);
    a->looked = hx_ledger_missing(tx, ids, a->n);
    return tx;
}

static struct hx_pg_tx *quarantine(const struct aside *a) {
    struct hx_pg_tx *tx = hx_pg_tx_new("quarantine");
    if (a->topic)
        hx_ledger_quarantine(tx, a->topic, a->partition, a->offset, a->why, a->data.data, a->data.len,
                             (int64_t)a->size);
    for (size_t i = 0; a->missing && i < a->n; i++)
        quarantine_id(a, &a->v[i], tx);
    return tx;
}

static void write_down(void *user) {
    struct aside *a = user;
    hx_pg_submit(a->worker->side, a->topic || a->missing ? quarantine(a) : look(a), 0, written, a);
}

void aside_record(struct worker *w, const struct hx_record *r, const char *why) {
    struct candidate all = { .record = hx_progress_begin(w->progress, r->topic, r->partition, r->offset, 1) };
    struct aside *a = aside_new(w, &all, 1);
    a->topic = hx_strdup(r->topic);
    a->partition = r->partition;
    a->offset = r->offset;
    a->size = r->size;
    a->why = hx_strdup(why);
    hx_buf_append(&a->data, r->data, HX_MIN(r->size, (size_t)QUARANTINED_BYTES));
    tell(a->topic, a->partition, a->offset, "unreadable record", why);
    write_down(a);
}

void aside_park(struct worker *w, const char *type, const struct candidate *c, size_t n, const char *reason) {
    struct aside *a = aside_new(w, c, n);
    a->type = type ? hx_strdup(type) : NULL;
    a->reason = reason;
    w->parking += n;
    write_down(a);
}

void aside_missed(struct worker *w, const struct candidate *c, size_t n) {
    write_down(aside_new(w, c, n));
}

void aside_free_all(struct worker *w) {
    while (w->asides)
        aside_free(w->asides);
}
