#include "producer/sender.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/text.h"
#include "producer/failure.h"

#include <string.h>

enum { BACKOFF_BASE_MS = 50, BACKOFF_MAX_MS = 1000 };

struct sender {
    struct sender_options o;
    struct batch *first, *last; /* not settled yet */
    unsigned pending;
    struct batch *spare;
    struct hx_timer *retry;
    bool connected_before;
    bool stopped; /* a job was refused: nothing behind it is sent */
    bool failed;
    struct hx_pg_error error;
    struct announcement announcements[BATCH_JOBS];
};

static void send_piece(struct sender *s, struct batch *b);

/* ---- sending ---- */

static bool has_keys(const struct batch *b, const struct piece *p) {
    for (size_t i = p->from; i < p->to; i++)
        if (b->jobs[i].key)
            return true;
    return false;
}

/* Which jobs have these keys: asked for all of the piece, as the same transaction can't know yet which were new. */
static int add_keys(struct hx_pg_tx *tx, const struct batch *b, const struct piece *p) {
    struct hx_uuid orgs[BATCH_JOBS];
    const char *keys[BATCH_JOBS];
    size_t n = 0;
    for (size_t i = p->from; i < p->to; i++)
        if (b->jobs[i].key) {
            orgs[n] = b->jobs[i].org_id;
            keys[n++] = b->jobs[i].key;
        }
    return hx_ledger_find_keys(tx, orgs, keys, n);
}

static struct hx_pg_tx *build(struct sender *s, struct batch *b) {
    const struct piece *p = batch_piece(b);
    struct hx_pg_tx *tx = hx_pg_tx_new("submit");
    b->types = b->submit = b->keys = -1;
    if (type_cache_is_stale(announcer_types(s->o.announcer)))
        b->types = hx_ledger_types(tx);
    bool keys = has_keys(b, p);
    if (p->to > p->from) /* whoever was sent before may be there: its COMMIT may have been in doubt */
        b->submit = (keys || b->sent ? hx_ledger_submit : hx_ledger_submit_new)(tx, b->jobs + p->from, p->to - p->from);
    if (keys)
        b->keys = add_keys(tx, b, p);
    b->delivered_count = announcer_take_delivered(s->o.announcer, &b->delivered);
    if (b->delivered_count > 0)
        hx_ledger_outbox_done(tx, b->delivered, b->delivered_count);
    return tx;
}

/* ---- answers ---- */

static void read_created(struct sender *s, struct batch *b, const struct piece *p, const struct hx_pg_tx *tx) {
    int64_t outbox = 0;
    size_t hint = p->from, n = 0;
    int rows = hx_pg_rows(tx, b->submit);
    for (int row = 0; row < rows; row++) {
        struct hx_submitted submitted = hx_ledger_read_submitted(tx, b->submit, row, &outbox);
        size_t i = batch_find(b, p, &submitted.id, &hint);
        if (i == SIZE_MAX)
            continue;
        b->answers[i].created = true;
        if (!submitted.delayed)
            s->announcements[n++] =
                (struct announcement){ .type = b->jobs[i].type, .high = b->jobs[i].priority > 0, .id = submitted.id };
    }
    announcer_publish(s->o.announcer, outbox, s->announcements, n);
}

static void read_keys(struct batch *b, const struct piece *p, const struct hx_pg_tx *tx) {
    size_t keyed[BATCH_JOBS], n = 0;
    for (size_t i = p->from; i < p->to; i++)
        if (b->jobs[i].key)
            keyed[n++] = i;
    int rows = hx_pg_rows(tx, b->keys);
    for (int row = 0; row < rows; row++) {
        size_t index;
        struct hx_uuid id = hx_ledger_read_key(tx, b->keys, row, &index);
        if (index >= n)
            continue;
        struct answer *answer = &b->answers[keyed[index]];
        answer->found = true;
        answer->id = id; /* our own where the job is new, or was made by an attempt that was in doubt */
    }
}

/* Jobs without a key that are not new were made by an attempt that was in doubt. One with a key must have been found, unless the job
 * that had the key was deleted between the two statements: then there is room for it now. */
static bool piece_is_complete(const struct batch *b, const struct piece *p) {
    for (size_t i = p->from; i < p->to; i++)
        if (b->jobs[i].key && !b->answers[i].created && !b->answers[i].found)
            return false;
    return true;
}

/* Whose id is the job's own was made by us, if not by the last attempt. */
static void conclude(struct batch *b) {
    for (size_t i = 0; i < b->n; i++)
        b->answers[i].created = hx_uuid_eq(&b->answers[i].id, &b->jobs[i].id);
}

static void settle(struct sender *s) {
    while (s->first && s->first->piece_count == 0 && !s->first->in_flight) {
        struct batch *b = s->first;
        conclude(b);
        s->first = b->next;
        if (!s->first)
            s->last = NULL;
        s->pending--;
        s->o.settled(b, s->o.user);
        batch_clear(b);
        b->next = s->spare;
        s->spare = b;
    }
}

/* ---- failures ---- */

static void give_up(struct sender *s, const struct hx_pg_error *error) {
    if (s->failed)
        return;
    s->failed = true;
    s->error = *error;
    hx_timer_clear(s->retry);
}

/* A single job is what the database doesn't take. What is in flight behind it comes to its own end; the rest is not sent. */
static void refuse(struct sender *s, struct batch *b, const struct hx_pg_error *error) {
    size_t i = batch_piece(b)->from;
    char why[sizeof(error->message) + 16];
    snprintf(why, sizeof(why), "%s%s%s", error->sqlstate, error->sqlstate[0] ? ": " : "", error->message);
    b->answers[i].refused = true;
    if (s->o.skip_refused) {
        batch_piece_done(b);
    } else {
        s->stopped = true;
        for (struct batch *rest = b; rest; rest = rest->next)
            if (!rest->in_flight)
                batch_cut(rest);
    }
    s->o.refused(b->lines[i], why, s->o.user);
}

static void try_again(struct sender *s, struct batch *b, const struct hx_pg_error *error) {
    int64_t pause = hx_backoff_full_jitter(++b->failures, BACKOFF_BASE_MS, BACKOFF_MAX_MS);
    if (!failure_is_passing(error, s->connected_before) || hx_mono_ms() + pause >= b->deadline_ms)
        give_up(s, error);
    else
        hx_timer_set(s->retry, pause);
}

static void on_retry(void *user) {
    struct sender *s = user;
    for (struct batch *b = s->first; b && !s->failed; b = b->next)
        if (!b->in_flight && b->piece_count > 0)
            send_piece(s, b);
}

static void take_error(struct sender *s, struct batch *b, const struct hx_pg_error *error) {
    const struct piece *p = batch_piece(b);
    announcer_give_back(s->o.announcer, b->delivered, b->delivered_count);
    if (s->stopped) {
        batch_cut(b);
        return;
    }
    if (p->to == p->from && s->connected_before && failure_is_passing(error, true)) {
        batch_piece_done(b); /* nobody's jobs; what it was to do, the next one does */
        return;
    }
    if (error->class != HX_PG_DATA || p->to == p->from) {
        try_again(s, b, error);
        return;
    }
    if (p->to - p->from == 1)
        refuse(s, b, error);
    else
        batch_halve(b);
}

/* ---- a transaction's end ---- */

static void take_answers(struct sender *s, struct batch *b, const struct hx_pg_tx *tx) {
    static const struct hx_pg_error invisible = { .class = HX_PG_RETRY,
                                                  .message = "an idempotency key is taken by a job that can't be seen",
                                                  .statement = -1 };
    const struct piece *p = batch_piece(b);
    if (b->types >= 0)
        type_cache_read(announcer_types(s->o.announcer), tx, b->types);
    if (b->keys >= 0)
        read_keys(b, p, tx);
    if (b->submit >= 0)
        read_created(s, b, p, tx);
    if (piece_is_complete(b, p))
        batch_piece_done(b);
    else
        try_again(s, b, &invisible);
}

static void on_done(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct batch *b = user;
    struct sender *s = b->sender;
    b->in_flight = false;
    if (error)
        take_error(s, b, error);
    else
        take_answers(s, b, tx);
    free(HX_TAKE(b->delivered));
    b->delivered_count = 0;
    if (!s->failed && b->piece_count > 0 && !hx_timer_armed(s->retry))
        send_piece(s, b);
    settle(s);
}

static void send_piece(struct sender *s, struct batch *b) {
    int64_t now = hx_mono_ms();
    if (b->deadline_ms == 0)
        b->deadline_ms = now + s->o.timeout_ms;
    struct hx_pg_tx *tx = build(s, b);
    b->in_flight = b->sent = true;
    hx_pg_submit(s->o.pg, tx, HX_MAX(b->deadline_ms - now, (int64_t)1), on_done, b);
}

/* ---- the sender ---- */

struct sender *sender_new(const struct sender_options *options) {
    struct sender *s = hx_alloc(sizeof(*s));
    s->o = *options;
    s->retry = hx_timer_new(options->loop, on_retry, s);
    return s;
}

static void free_batches(struct batch *b) {
    for (struct batch *next; b; b = next) {
        next = b->next;
        batch_free(b);
    }
}

struct sender *sender_free(struct sender *s) {
    if (!s)
        return NULL;
    hx_timer_free(s->retry);
    free_batches(s->first);
    free_batches(s->spare);
    free(s);
    return NULL;
}

struct batch *sender_take_spare(struct sender *s) {
    struct batch *b = s->spare;
    if (!b)
        return batch_new();
    s->spare = b->next;
    b->next = NULL;
    return b;
}

void sender_add(struct sender *s, struct batch *b) {
    b->sender = s;
    b->next = NULL;
    batch_begin(b);
    if (s->last)
        s->last->next = b;
    else
        s->first = b;
    s->last = b;
    s->pending++;
    if (s->stopped)
        batch_cut(b);
    else if (!s->failed)
        send_piece(s, b);
    settle(s);
}

unsigned sender_pending(const struct sender *s) {
    return s->pending;
}

void sender_connected(struct sender *s) {
    s->connected_before = true;
}

const struct hx_pg_error *sender_error(const struct sender *s) {
    return s->failed ? &s->error : NULL;
}
