/* Transactions from submission to their end: the queue, the deadlines, and the failures that aren't the server's. */
#include "lib/pg/pg_internal.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"

#include <inttypes.h>

static void arm(struct hx_pg *pg, int64_t deadline_ms) {
    if (pg->deadline_armed_ms && pg->deadline_armed_ms <= deadline_ms)
        return; /* fires early enough; a turn for nothing is cheaper than a timer for each transaction */
    pg->deadline_armed_ms = deadline_ms;
    int64_t after = deadline_ms - hx_mono_ms();
    hx_timer_set(pg->deadline_timer, after > 0 ? after : 0);
}

void pg_finish(struct hx_pg *pg, struct hx_pg_tx *tx, const struct hx_pg_error *error) {
    if (error)
        hx_debug(NULL, "postgresql: transaction %s: %s %s%s", tx->name, error->sqlstate, error->message,
                 error->in_doubt ? " (in doubt)" : "");
    pg_hold(pg);
    if (tx->cb)
        tx->cb(tx, error, tx->user);
    pg_release(pg);
    hx_pg_tx_free(tx);
}

/* --- failures --- */

void pg_fail_flight(struct hx_pg *pg, const struct hx_pg_error *why) {
    for (struct hx_pg_tx *tx; (tx = pg_tx_list_pop(&pg->flight));) {
        struct hx_pg_error error = *why;
        if (tx->failed)
            error = tx->error;
        else
            error.in_doubt = tx->state == PG_TX_SENT;
        error.backend_pid = why->backend_pid;
        pg_finish(pg, tx, &error);
    }
}

void pg_fail_queue(struct hx_pg *pg, const struct hx_pg_error *why) {
    /* Only those that are there now: a callback may submit again. */
    for (unsigned n = pg->queue.count; n > 0; n--) {
        struct hx_pg_tx *tx = pg_tx_list_pop(&pg->queue);
        if (!tx)
            break;
        struct hx_pg_error error = tx->failed ? tx->error : *why;
        error.in_doubt = false;
        error.backend_pid = 0;
        pg_finish(pg, tx, &error);
    }
}

/* --- deadlines --- */

static struct hx_pg_tx *pop_expired(struct pg_tx_list *list, int64_t now) {
    struct hx_pg_tx *expired = NULL;
    struct pg_tx_list rest = { 0 };
    for (struct hx_pg_tx *tx; (tx = pg_tx_list_pop(list));) {
        if (!expired && tx->deadline_ms <= now)
            expired = tx;
        else
            pg_tx_list_push(&rest, tx);
    }
    *list = rest;
    return expired;
}

static int64_t earliest(const struct pg_tx_list *list, int64_t than) {
    for (const struct hx_pg_tx *tx = list->head; tx; tx = tx->next)
        than = HX_MIN(than, tx->deadline_ms);
    return than;
}

static void expire_queued(struct hx_pg *pg, struct hx_pg_tx *tx) {
    struct hx_pg_error error;
    const char *port;
    if (tx->failed)
        error = tx->error;
    else if (pg->state != PG_CONNECTED && pg->told_down)
        error = pg->told; /* what keeps us from connecting is the better answer, also while it is tried again */
    else if (pg->state != PG_RESOLVING || !pg_hosts_unknown(&pg->hosts, tx->timeout_ms, &error, &port))
        pg_error_set(&error, HX_PG_UNAVAILABLE, "not sent within %" PRId64 " ms", tx->timeout_ms);
    error.in_doubt = false;
    error.backend_pid = 0;
    pg_finish(pg, tx, &error);
}

void pg_deadlines(void *user) {
    struct hx_pg *pg = user;
    int64_t now = hx_mono_ms();
    pg_hold(pg);
    pg->deadline_armed_ms = 0;

    /* The answer may be here already, and only we were late: a loop that stood still must not cut a good connection. */
    if (pg->state == PG_CONNECTED && earliest(&pg->flight, INT64_MAX) <= now)
        pg_readable(pg);
    for (struct hx_pg_tx *tx = pg->flight.head; tx; tx = tx->next)
        if (tx->deadline_ms <= now) {
            /* The stream can't be used any more, so the others in flight go with it; what is queued waits. */
            struct hx_pg_error why;
            pg_error_set(&why, HX_PG_UNAVAILABLE, "no answer within %" PRId64 " ms", tx->timeout_ms);
            pg_lost(pg, &why);
            break;
        }
    for (struct hx_pg_tx *tx; (tx = pop_expired(&pg->queue, now));)
        expire_queued(pg, tx);

    int64_t next = earliest(&pg->flight, earliest(&pg->queue, INT64_MAX));
    if (!pg->freed && next != INT64_MAX)
        arm(pg, next);
    pg_pump(pg);
    pg_release(pg);
}

/* --- submission --- */

void hx_pg_submit(struct hx_pg *pg, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user) {
    tx->timeout_ms = timeout_ms > 0 ? timeout_ms : pg->timeout_ms;
    tx->sets_timeout = tx->timeout_ms > pg->timeout_ms;
    tx->deadline_ms = hx_mono_ms() + tx->timeout_ms;
    tx->cb = cb;
    tx->user = user;
    if (tx->oversize) {
        pg_error_set(&tx->error, HX_PG_DATA, "the parameters are larger than the protocol allows");
        tx->failed = true;
        tx->deadline_ms = hx_mono_ms(); /* expires in the loop, unsent */
    } else if (HX_FAIL_AT(tx->name, "before_send")) {
        pg_error_set(&tx->error, HX_PG_UNAVAILABLE, "refused by a failure point");
        tx->failed = true;
        tx->deadline_ms = hx_mono_ms();
    }
    pg_tx_list_push(&pg->queue, tx);
    if (pg->freed)
        return; /* from a callback of hx_pg_free, which throws it away */
    arm(pg, tx->deadline_ms);
    pg_pump(pg);
}

unsigned hx_pg_pending(const struct hx_pg *pg) {
    unsigned n = 0;
    for (const struct hx_pg_tx *tx = pg->queue.head; tx; tx = tx->next)
        n += !tx->internal;
    for (const struct hx_pg_tx *tx = pg->flight.head; tx; tx = tx->next)
        n += !tx->internal;
    return n;
}

struct run {
    hx_pg_done_cb cb;
    void *user;
    struct hx_pg_error error;
    bool done;
};

static void run_done(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct run *run = user;
    run->done = true;
    if (error)
        run->error = *error;
    if (run->cb)
        run->cb(tx, error, run->user);
}

enum hx_pg_class hx_pg_run(struct hx_pg *pg, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user,
                           struct hx_pg_error *reterr) {
    struct run run = { .cb = cb, .user = user, .error = { .class = HX_PG_OK, .statement = -1 } };
    pg_hold(pg);
    hx_pg_submit(pg, tx, timeout_ms, run_done, &run);
    while (!run.done) {
        int r = hx_loop_once(pg->loop, -1);
        if (r < 0) {
            /* The loop is broken, and run must not outlive this call. */
            struct hx_pg_error why;
            pg_error_set(&why, HX_PG_OTHER, "the event loop failed with %d", -r);
            if (pg->state == PG_CONNECTED)
                pg_lost(pg, &why);
            pg_fail_queue(pg, &why);
        }
    }
    pg_release(pg);
    if (reterr)
        *reterr = run.error;
    return run.error.class;
}

/* --- LISTEN --- */

void pg_queue_listen(struct hx_pg *pg) {
    if (!pg->channel)
        return;
    for (const struct hx_pg_tx *tx = pg->queue.head; tx; tx = tx->next)
        if (tx->internal)
            return;
    struct hx_pg_tx *tx = hx_pg_tx_new("listen");
    hx_pg_tx_add(tx, &pg->listen_stmt);
    tx->internal = true;
    (void)HX_FAIL_AT(tx->name, "before_send"); /* nobody would learn of its failure */
    tx->timeout_ms = pg->timeout_ms;
    tx->deadline_ms = hx_mono_ms() + tx->timeout_ms;
    pg_tx_list_push_front(&pg->queue, tx);
    arm(pg, tx->deadline_ms);
}

void hx_pg_listen(struct hx_pg *pg, const char *channel, hx_pg_notify_cb cb, void *user) {
    struct hx_buf sql = { 0 };
    hx_buf_puts(&sql, "listen \"");
    for (const char *c = channel; *c; c++) {
        if (*c == '"')
            hx_buf_putc(&sql, '"');
        hx_buf_putc(&sql, *c);
    }
    hx_buf_putc(&sql, '"');

    free(pg->channel);
    free(pg->listen_sql);
    pg->channel = hx_strdup(channel);
    pg->listen_sql = hx_buf_take(&sql);
    pg->listen_stmt = (struct hx_pg_stmt){ .name = "listen", .sql = pg->listen_sql };
    pg->notify = cb;
    pg->notify_user = user;
    if (pg->state == PG_CONNECTED) {
        pg_queue_listen(pg);
        pg_pump(pg);
    }
}
