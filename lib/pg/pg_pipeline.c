/* Sending transactions as a pipeline, and telling their results apart when they come back.
 *
 * On the wire a transaction is [Parse] Bind Describe Execute, … , Sync. libpq answers with one result and one NULL for
 * each Parse and each query, and with one PGRES_PIPELINE_SYNC for the Sync. After an error the server skips all up to
 * the Sync, and libpq reports each skipped item as PGRES_PIPELINE_ABORTED. */
#include "lib/pg/pg_internal.h"

#include "common/failpoint.h"

#include <string.h>
#include <sys/epoll.h>

/* Below this a transaction and its Sync leave in one piece. A larger one's Sync waits until all before it is on the
 * wire, so that a connection lost halfway leaves no doubt: without the Sync it can't have been committed. */
#define HOLD_SYNC_BYTES 32768

/* --- prepared statements --- */

static struct pg_prepared *find_prepared(struct hx_pg *pg, const char *name) {
    for (size_t i = 0; i < pg->prepared_count; i++)
        if (pg->prepared[i].name == name || strcmp(pg->prepared[i].name, name) == 0)
            return &pg->prepared[i];
    return NULL;
}

static void add_prepared(struct hx_pg *pg, const char *name, const struct hx_pg_tx *sender) {
    if (pg->prepared_count == pg->prepared_cap) {
        pg->prepared_cap = pg->prepared_cap ? 2 * pg->prepared_cap : 32;
        pg->prepared = hx_realloc(pg->prepared, pg->prepared_cap * sizeof *pg->prepared);
    }
    pg->prepared[pg->prepared_count++] = (struct pg_prepared){ .name = name, .sender = sender };
}

/* Parse isn't transactional: what was prepared stays, whatever becomes of the transaction; what was skipped is not. */
static void settle_prepared(struct hx_pg *pg, const char *name, bool ready) {
    struct pg_prepared *p = find_prepared(pg, name);
    if (!p)
        return;
    if (ready)
        *p = (struct pg_prepared){ .name = p->name, .ready = true };
    else
        *p = pg->prepared[--pg->prepared_count];
}

void pg_forget_prepared(struct hx_pg *pg) {
    pg->prepared_count = 0;
}

static bool unnamed(const struct hx_pg *pg, const struct hx_pg_tx *tx) {
    return pg->no_prepare || tx->internal;
}

/* Another transaction in flight prepares what this one needs, and may fail before it gets there: on fresh connections. */
static bool waits_for_prepare(struct hx_pg *pg, const struct hx_pg_tx *tx) {
    for (size_t i = 0; i < tx->count && !unnamed(pg, tx); i++) {
        const struct pg_prepared *p = find_prepared(pg, tx->statements[i].stmt->name);
        if (p && !p->ready && p->sender != tx)
            return true;
    }
    return false;
}

/* --- the session --- */

/* Whatever a database or a user prefers: what was told as committed has to outlive the server. All other values of synchronous_commit are the
 * operator's, who knows the standbys; so it isn't among the options that we connect with, which would win over theirs. Set they are all the
 * same: what a session has set for itself, a reload of the server's configuration leaves alone. */
bool pg_open(struct hx_pg *pg) {
    static const char *const durable =
        "select set_config('synchronous_commit', case v when 'off' then 'on' else v end, false)"
        " from current_setting('synchronous_commit') as v";
    pg->opening =
        PQsendQueryParams(pg->conn, durable, 0, NULL, NULL, NULL, NULL, 1) == 1 && PQpipelineSync(pg->conn) == 1;
    return pg->opening;
}

/* Without it the connection is of no use. */
static void take_opening(struct hx_pg *pg, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
        pg->opening = false;
    } else if (status != PGRES_TUPLES_OK) {
        if (PQresultErrorField(result, PG_DIAG_SQLSTATE))
            pg_error_of_result(&pg->why, result);
        else /* libpq's own: the server is gone */
            pg_error_of_text(&pg->why, PQresultErrorMessage(result));
        pg->has_why = pg->doomed = true;
    }
    PQclear(result);
}

/* --- sending --- */

static void scratch(struct hx_pg *pg, size_t n) {
    if (n <= pg->scratch_cap)
        return;
    pg->scratch_cap = n + 16;
    pg->values = hx_realloc(pg->values, pg->scratch_cap * sizeof *pg->values);
    pg->lengths = hx_realloc(pg->lengths, pg->scratch_cap * sizeof *pg->lengths);
    pg->formats = hx_realloc(pg->formats, pg->scratch_cap * sizeof *pg->formats);
    for (size_t i = 0; i < pg->scratch_cap; i++)
        pg->formats[i] = 1; /* binary */
}

static bool send_statement(struct hx_pg *pg, struct hx_pg_tx *tx, struct pg_statement *s) {
    scratch(pg, s->params);
    for (size_t i = 0; i < s->params; i++) {
        const struct pg_param *p = &tx->params[s->first_param + i];
        /* libpq takes a NULL pointer for null, so an empty text needs one that isn't. */
        pg->values[i] = p->len < 0 ? NULL : p->len == 0 ? "" : tx->data.data + p->offset;
        pg->lengths[i] = p->len < 0 ? 0 : p->len;
    }
    const struct hx_pg_stmt *stmt = s->stmt;
    int n = (int)s->params;
    if (unnamed(pg, tx))
        return PQsendQueryParams(pg->conn, stmt->sql, n, NULL, pg->values, pg->lengths, pg->formats, 1);
    if (!find_prepared(pg, stmt->name)) {
        if (!PQsendPrepare(pg->conn, stmt->name, stmt->sql, 0, NULL))
            return false;
        add_prepared(pg, stmt->name, tx);
        s->prepares = true;
    }
    return PQsendQueryPrepared(pg->conn, stmt->name, n, pg->values, pg->lengths, pg->formats, 1);
}

static bool send_timeout(struct hx_pg *pg, const struct hx_pg_tx *tx) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)pg_statement_timeout(tx->timeout_ms));
    const char *values[] = { text };
    return PQsendQueryParams(pg->conn, "select set_config('statement_timeout', $1::text, true)", 1, NULL, values, NULL,
                             NULL, 1);
}

static enum pg_tx_at begin_statement(const struct hx_pg_tx *tx) {
    if (tx->at_statement == tx->count)
        return PG_AT_SYNC;
    return tx->statements[tx->at_statement].prepares ? PG_AT_PREPARE : PG_AT_QUERY;
}

/* Hands the statements to libpq, without the Sync. */
static bool send_statements(struct hx_pg *pg, struct hx_pg_tx *tx) {
    tx->state = PG_TX_SENDING;
    if (tx->sets_timeout && !send_timeout(pg, tx))
        return false;
    for (size_t i = 0; i < tx->count; i++)
        if (!send_statement(pg, tx, &tx->statements[i]))
            return false;
    tx->at_statement = 0;
    tx->at = tx->sets_timeout ? PG_AT_TIMEOUT : begin_statement(tx);
    return true;
}

/* For failure points: the connection is about to be given up. */
static void cut(struct hx_pg *pg) {
    pg_error_set(&pg->why, HX_PG_UNAVAILABLE, "cut by a failure point");
    pg->has_why = true;
}

/* A fault is to come between the statements and their COMMIT: then the Sync waits for their answers. */
static bool splits(const struct hx_pg_tx *tx) {
    return HX_FAIL_ARMED_AT(tx->name, "before_commit");
}

static bool send_sync(struct hx_pg *pg, struct hx_pg_tx *tx) {
    if (HX_FAIL_AT(tx->name, "before_commit")) {
        cut(pg);
        return false;
    }
    tx->state = PG_TX_SENT; /* PQpipelineSync writes at once what the socket takes */
    return PQpipelineSync(pg->conn) == 1;
}

/* The next step of sending. False when there is nothing to do now; pg->broken when it failed. */
static bool send_some(struct hx_pg *pg) {
    int flushed = PQflush(pg->conn);
    if (flushed != 0) {
        /* What isn't given to libpq yet stays queued, and outlives this connection. */
        pg->broken = flushed < 0;
        return false;
    }
    struct hx_pg_tx *last = pg->flight.tail, *next = pg->queue.head;
    if (last && last->state == PG_TX_SENDING) {
        if (splits(last) && last->at != PG_AT_SYNC)
            return false;
        pg->broken = !send_sync(pg, last);
        return !pg->broken;
    }
    if (!next || next->failed || pg->flight.count >= pg->depth || waits_for_prepare(pg, next))
        return false;
    pg_tx_list_push(&pg->flight, pg_tx_list_pop(&pg->queue));
    if (!send_statements(pg, next))
        pg->broken = true;
    else if (splits(next))
        pg->broken = PQsendFlushRequest(pg->conn) != 1;
    else if (next->data.len < HOLD_SYNC_BYTES)
        pg->broken = !send_sync(pg, next);
    return !pg->broken;
}

void pg_pump(struct hx_pg *pg) {
    if (pg->state != PG_CONNECTED || pg->broken || pg->freed)
        return;
    if (pg->doomed) {
        /* Only what is half sent goes out. */
        struct hx_pg_tx *last = pg->flight.tail;
        if (last && last->state == PG_TX_SENDING)
            send_some(pg);
    } else {
        while (send_some(pg))
            ;
    }
    if (pg->broken)
        hx_timer_set(pg->broken_timer, 0); /* the callbacks come from the loop, not from in here */
    else
        pg_watch(pg, EPOLLIN | (PQflush(pg->conn) == 1 ? EPOLLOUT : 0u));
}

/* --- receiving --- */

static void next_item(struct hx_pg_tx *tx) {
    switch (tx->at) {
    case PG_AT_TIMEOUT: tx->at = begin_statement(tx); break;
    case PG_AT_PREPARE: tx->at = PG_AT_QUERY; break;
    case PG_AT_QUERY:
        tx->at_statement++;
        tx->at = begin_statement(tx);
        break;
    case PG_AT_SYNC: break;
    }
}

/* The server refused a statement, or the commit. */
static void take_error(struct hx_pg *pg, struct hx_pg_tx *tx, const PGresult *result) {
    if (tx->failed)
        return;
    pg_error_of_result(&tx->error, result);
    tx->failed = true;
    if (tx->at == PG_AT_PREPARE || tx->at == PG_AT_QUERY)
        tx->error.statement = (int)tx->at_statement;
    /* An ERROR while committing means that it didn't commit; a session that dies then (synchronous replication,
     * terminated) may have. Before the last statement's end nothing can have been committed. */
    bool fatal = pg_result_is_fatal(result), dooms = pg_result_dooms(result);
    tx->error.in_doubt = fatal && tx->at == PG_AT_SYNC;
    if (fatal || dooms) {
        pg->why = tx->error;
        pg->has_why = true;
    }
    pg->doomed |= dooms;
}

static bool is_copy(ExecStatusType status) {
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* libpq's own failure: out of memory for a result, COPY with the client. The server may well have gone on. */
static void take_local_error(struct hx_pg *pg, struct hx_pg_tx *tx, const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    if (!tx->failed) {
        if (is_copy(status))
            pg_error_set(&tx->error, HX_PG_DATA, "COPY with the client isn't supported here");
        else
            pg_error_set(&tx->error, HX_PG_OTHER, "%s", PQresultErrorMessage(result));
        tx->failed = true;
        tx->error.in_doubt = status != PGRES_COPY_IN; /* which has its end from us only */
        if (tx->at == PG_AT_QUERY)
            tx->error.statement = (int)tx->at_statement;
        pg->why = tx->error;
        pg->has_why = true;
    }
    pg->doomed = true;
}

/* Keeps or drops a result. False when the connection is at its end. */
static bool take_result(struct hx_pg *pg, struct hx_pg_tx *tx, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
    bool said = !good && PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool goes_on = PQstatus(pg->conn) == CONNECTION_OK && !(said && pg_result_is_fatal(result));

    tx->answered = true;
    if (tx->at == PG_AT_PREPARE)
        settle_prepared(pg, tx->statements[tx->at_statement].stmt->name, good);
    if (said)
        take_error(pg, tx, result);
    else if (!good && status != PGRES_PIPELINE_ABORTED && goes_on)
        take_local_error(pg, tx, result);

    if (good && tx->at == PG_AT_QUERY && !tx->statements[tx->at_statement].result)
        tx->statements[tx->at_statement].result = result;
    else
        PQclear(result);
    return goes_on && !is_copy(status); /* libpq would tell of a COPY again and again */
}

/* For a failure point: it has committed, and nobody heard of it. */
static void lose_answer(struct hx_pg *pg, struct hx_pg_tx *tx) {
    cut(pg);
    tx->error = pg->why;
    tx->error.backend_pid = pg->backend_pid;
    tx->error.in_doubt = tx->failed = pg->doomed = true;
}

/* Collects the results that are here. False when the connection is at its end. */
static bool collect(struct hx_pg *pg) {
    unsigned nulls = 0;
    while ((pg->opening || pg->flight.head) && !PQisBusy(pg->conn)) {
        struct hx_pg_tx *tx = pg->opening ? NULL : pg->flight.head;
        PGresult *result = PQgetResult(pg->conn);
        if (!result) {
            if (tx && tx->answered)
                next_item(tx);
            else if (++nulls > 1)
                break; /* nothing there */
            if (tx)
                tx->answered = false;
            continue;
        }
        nulls = 0;
        if (!tx) {
            take_opening(pg, result);
            continue;
        }
        if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) {
            if (!take_result(pg, tx, result))
                return false;
            continue;
        }
        PQclear(result);
        if (!tx->failed && HX_FAIL_AT(tx->name, "after_commit"))
            lose_answer(pg, tx);
        pg_finish(pg, pg_tx_list_pop(&pg->flight), tx->failed ? &tx->error : NULL);
        if (pg->freed)
            return true;
    }
    return PQstatus(pg->conn) == CONNECTION_OK;
}

static void deliver_notifications(struct hx_pg *pg) {
    for (PGnotify *n; !pg->freed && (n = PQnotifies(pg->conn));) {
        if (pg->notify && hx_streq(n->relname, pg->channel))
            pg->notify(n->relname, n->extra, pg->notify_user);
        PQfreemem(n);
    }
}

void pg_readable(struct hx_pg *pg) {
    /* One read takes what the kernel has, up to libpq's buffer, and epoll calls again for more. But epoll doesn't know
     * of bytes that OpenSSL has decrypted already, when a record was larger than the room in libpq's buffer. */
    int reads = PQsslInUse(pg->conn) ? 3 : 1;
    bool alive = true;

    pg_hold(pg);
    while (alive && reads-- > 0 && !pg->freed)
        alive = PQconsumeInput(pg->conn) && collect(pg);
    if (!alive && !pg->freed)
        collect(pg); /* what came before the end still counts */
    if (!pg->freed)
        deliver_notifications(pg);
    if (!pg->freed && !alive) {
        pg_lost(pg, NULL);
    } else if (!pg->freed && pg->doomed && !pg->flight.head) {
        pg_lost(pg, pg->has_why ? &pg->why : NULL);
    }
    pg_release(pg);
}
