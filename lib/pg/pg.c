/* The connection: made, watched, given up and made again, always in the loop. Names are looked up beside it (pg_hosts). */
#include "lib/pg/pg_internal.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TIMEOUT_DEFAULT_MS 5000
#define DEPTH_MAX 16
#define BACKOFF_BASE_MS 100
#define BACKOFF_MAX_MS 5000

/* --- lifetime --- */

void pg_hold(struct hx_pg *pg) {
    pg->held++;
}

void pg_release(struct hx_pg *pg) {
    if (--pg->held > 0 || !pg->freed)
        return;
    pg_keywords_free(&pg->connect);
    free(pg->prepared);
    free(pg->values);
    free(pg->lengths);
    free(pg->formats);
    free(pg->channel);
    free(pg->listen_sql);
    free(pg->server);
    free(pg);
}

static void disconnect(struct hx_pg *pg) {
    pg->watch = hx_watch_free(pg->watch);
    pg->state = PG_WAITING;
    if (!pg->conn)
        return;
    /* Nothing of what libpq still has may leave any more; only an idle connection says goodbye. */
    if (pg->flight.head && PQsocket(pg->conn) >= 0)
        shutdown(PQsocket(pg->conn), SHUT_RDWR);
    pg_remember_server(pg);
    PQfinish(pg->conn);
    pg->conn = NULL;
    pg->opening = pg->broken = pg->doomed = false;
    pg_forget_prepared(pg);
}

void pg_watch(struct hx_pg *pg, uint32_t events) {
    if (pg->watch && events != pg->events && hx_watch_set(pg->watch, events) == 0)
        pg->events = events;
}

/* --- states --- */

static void tell_down(struct hx_pg *pg, const struct hx_pg_error *why) {
    /* Once for each reason, not for each attempt. */
    if (pg->told_down && hx_streq(pg->told.message, why->message) && hx_streq(pg->told.sqlstate, why->sqlstate))
        return;
    pg->told = *why;
    pg->told_down = true;
    hx_debug(NULL, "postgresql: no connection: %s %s", why->sqlstate, why->message);
    if (pg->cb && !pg->freed)
        pg->cb(pg, false, why, pg->user);
}

static void connect_later(struct hx_pg *pg) {
    if (!pg->freed)
        hx_timer_set(pg->connect_timer, hx_backoff_full_jitter(pg->failures + 1, BACKOFF_BASE_MS, pg->pause_max_ms));
}

void pg_lost(struct hx_pg *pg, const struct hx_pg_error *reason) {
    struct hx_pg_error why;
    if (reason)
        why = *reason;
    else if (pg->has_why) /* the server said why, before it hung up */
        why = pg->why;
    else
        pg_error_of_text(&why, PQerrorMessage(pg->conn));
    why.statement = -1; /* it may be the error of a transaction */
    why.in_doubt = false;
    why.backend_pid = pg->backend_pid;

    pg_hold(pg);
    disconnect(pg);
    pg->why = why;
    pg->has_why = true;
    connect_later(pg);
    tell_down(pg, &why);
    pg_fail_flight(pg, &why);
    pg_release(pg);
}

/* why NULL: libpq's reason. */
static void connect_failed(struct hx_pg *pg, const struct hx_pg_error *reason) {
    struct hx_pg_error why;
    if (reason)
        why = *reason;
    else
        pg_error_of_connect(&why, pg->conn, &pg->hosts);

    pg_hold(pg);
    disconnect(pg);
    pg->why = why;
    pg->has_why = true;
    pg->failures++;
    connect_later(pg);
    tell_down(pg, &why);
    if (pg->fail_fast && !pg->freed)
        pg_fail_queue(pg, &why);
    pg_release(pg);
}

/* libpq would print these to stderr. A FATAL one that comes while nothing is asked says why the server hangs up. */
static void on_notice(void *user, const PGresult *result) {
    struct hx_pg *pg = user;
    if (pg_result_is_fatal(result)) {
        pg_error_of_result(&pg->why, result);
        pg->has_why = true;
    }
    struct hx_pg_error said; /* a notice has the fields of an error */
    pg_error_of_result(&said, result);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (pg->notice && !pg->freed)
        pg->notice(severity ? severity : "NOTICE", said.message, pg->user);
    else
        hx_debug(NULL, "postgresql: notice: %s", said.message);
}

static void on_io(int fd, uint32_t events, void *user);

static void connected(struct hx_pg *pg) {
    if (PQsetnonblocking(pg->conn, 1) != 0 || PQenterPipelineMode(pg->conn) != 1 || !pg_open(pg)) {
        connect_failed(pg, NULL);
        return;
    }
    hx_timer_clear(pg->connect_timer);
    pg_hosts_clear(&pg->hosts);
    pg->state = PG_CONNECTED;
    pg->backend_pid = PQbackendPID(pg->conn);
    pg->failures = 0;
    pg->has_why = pg->told_down = false;
    hx_debug(NULL, "postgresql: connected, backend %d", pg->backend_pid);
    pg_hold(pg);
    if (pg->cb)
        pg->cb(pg, true, NULL, pg->user);
    if (!pg->freed) {
        pg_queue_listen(pg);
        pg_pump(pg);
    }
    pg_release(pg);
}

static void connect_step(struct hx_pg *pg) {
    /* libpq may close the socket in here and open another, which may even get the same number. */
    pg->watch = hx_watch_free(pg->watch);
    PostgresPollingStatusType status = PQconnectPoll(pg->conn);
    if (status == PGRES_POLLING_FAILED) {
        connect_failed(pg, NULL);
        return;
    }
    pg->events = status == PGRES_POLLING_WRITING ? EPOLLOUT : EPOLLIN;
    int r = hx_watch_new(pg->loop, PQsocket(pg->conn), pg->events, on_io, pg, &pg->watch);
    if (r < 0) {
        struct hx_pg_error why;
        pg_error_set(&why, HX_PG_UNAVAILABLE, "can't watch the connection: %s", strerror(-r));
        connect_failed(pg, &why);
    } else if (status == PGRES_POLLING_OK) {
        connected(pg);
    }
}

static void connect_start(struct hx_pg *pg) {
    pg->conn = pg_hosts_connect(&pg->hosts, &pg->connect, pg->turn);
    struct hx_pg_error why;
    if (!pg->conn) {
        pg_error_set(&why, HX_PG_UNAVAILABLE, "out of memory");
        connect_failed(pg, &why);
        return;
    }
    PQsetNoticeReceiver(pg->conn, on_notice, pg);
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE); /* for pg_error_of_text */
    if (PQstatus(pg->conn) == CONNECTION_BAD) {
        connect_failed(pg, NULL);
        return;
    }
    pg->has_why = false;
    pg->state = PG_CONNECTING;
    hx_timer_set(pg->connect_timer, pg->share_ms);
    pg->events = EPOLLOUT; /* as the manual says: as if PQconnectPoll had asked for writing */
    int r = hx_watch_new(pg->loop, PQsocket(pg->conn), pg->events, on_io, pg, &pg->watch);
    if (r < 0) {
        pg_error_set(&why, HX_PG_UNAVAILABLE, "can't watch the connection: %s", strerror(-r));
        connect_failed(pg, &why);
    }
}

/* An answer that took most of the time may leave too little for a connection: the next attempt has it too. */
static void resolved(struct hx_pg *pg, int64_t passed) {
    if (passed <= pg->connect_ms / 4 * 3)
        pg_hosts_use(&pg->hosts);
    pg->turns = pg_hosts_usable(&pg->hosts);
    pg->share_ms = HX_MAX((pg->connect_ms - passed) / (int64_t)pg->turns, (int64_t)1);
    connect_start(pg);
}

/* A name that nobody answers for must not use up the time of the other hosts either. */
static void resolve_step(struct hx_pg *pg) {
    int64_t passed = hx_mono_ms() - pg->began_ms;
    size_t usable = pg_hosts_usable(&pg->hosts);
    int64_t most = usable ? pg->connect_ms / (int64_t)HX_MAX(pg->hosts.count, (size_t)1) : pg->connect_ms;
    if (pg_hosts_pending(&pg->hosts) && passed < most) {
        hx_timer_set(pg->connect_timer, most - passed);
        return;
    }
    if (usable) {
        resolved(pg, passed);
        return;
    }
    struct hx_pg_error why;
    const char *port, *host = pg_hosts_unknown(&pg->hosts, pg->connect_ms, &why, &port);
    pg_remember_host(pg, host, port);
    connect_failed(pg, &why);
}

static void on_resolved(void *user) {
    struct hx_pg *pg = user;
    pg_hold(pg);
    if (pg->state == PG_RESOLVING)
        resolve_step(pg);
    pg_release(pg);
}

static void attempt(struct hx_pg *pg) {
    pg->began_ms = hx_mono_ms();
    pg->silent = 0;
    int r = pg_hosts_begin(&pg->hosts, &pg->connect, pg->loop, on_resolved, pg);
    if (r < 0) {
        struct hx_pg_error why;
        pg_error_set(&why, HX_PG_UNAVAILABLE, "can't look the server's name up: %s", strerror(-r));
        connect_failed(pg, &why);
        return;
    }
    pg->state = PG_RESOLVING;
    resolve_step(pg);
}

/* --- events of the loop --- */

static void on_io(int fd, uint32_t events, void *user) {
    (void)fd;
    struct hx_pg *pg = user;
    pg_hold(pg);
    if (pg->state == PG_CONNECTING)
        connect_step(pg);
    else if (pg->state == PG_CONNECTED) {
        if (events & ~(uint32_t)EPOLLOUT)
            pg_readable(pg);
        pg_pump(pg);
    }
    pg_release(pg);
}

/* A host that says nothing must not use up the time of those behind it: each has its share, and only when all were silent, the attempt
 * has failed. */
static void connect_is_late(struct hx_pg *pg) {
    pg->turn++;
    if (++pg->silent < pg->turns) {
        disconnect(pg);
        connect_start(pg);
        return;
    }
    struct hx_pg_error why;
    pg_error_set(&why, HX_PG_UNAVAILABLE, "no connection within %lld ms", (long long)pg->connect_ms);
    connect_failed(pg, &why);
}

static void on_connect_timer(void *user) {
    struct hx_pg *pg = user;
    pg_hold(pg);
    if (pg->state == PG_CONNECTING)
        connect_is_late(pg);
    else if (pg->state == PG_RESOLVING)
        resolve_step(pg);
    else if (pg->state == PG_WAITING)
        attempt(pg);
    pg_release(pg);
}

static void on_broken(void *user) {
    struct hx_pg *pg = user;
    if (pg->broken && pg->state == PG_CONNECTED)
        pg_lost(pg, NULL);
}

/* --- the handle --- */

int hx_pg_new(struct hx_loop *loop, const struct hx_pg_options *options, hx_pg_state_cb cb, void *user,
              struct hx_pg **ret) {
    if (options->depth > DEPTH_MAX || options->timeout_ms < 0 || options->connect_ms < 0 || options->pause_max_ms < 0)
        return -EINVAL;
    struct hx_pg *pg = hx_alloc(sizeof *pg);
    *pg = (struct hx_pg){
        .loop = loop,
        .timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_DEFAULT_MS,
        .pause_max_ms = options->pause_max_ms ? options->pause_max_ms : BACKOFF_MAX_MS,
        .connect_ms = options->connect_ms   ? options->connect_ms
                      : options->timeout_ms ? options->timeout_ms
                                            : TIMEOUT_DEFAULT_MS,
        .depth = options->depth ? options->depth : 1,
        .fail_fast = options->fail_fast,
        .no_prepare = options->no_prepare,
        .notice = options->notice,
        .cb = cb,
        .user = user,
    };
    pg_keywords_build(&pg->connect, options, pg->timeout_ms);
    pg->connect_timer = hx_timer_new(loop, on_connect_timer, pg);
    pg->deadline_timer = hx_timer_new(loop, pg_deadlines, pg);
    pg->broken_timer = hx_timer_new(loop, on_broken, pg);
    hx_timer_set(pg->connect_timer, 0); /* in the loop, so that nobody is called back from in here */
    *ret = pg;
    return 0;
}

struct hx_pg *hx_pg_free(struct hx_pg *pg) {
    if (!pg || pg->freed)
        return NULL;
    pg_hold(pg);
    pg->freed = true;
    struct hx_pg_error why;
    pg_error_set(&why, HX_PG_UNAVAILABLE, "the connection was closed");
    why.backend_pid = pg->conn ? pg->backend_pid : 0;
    disconnect(pg);
    pg_hosts_clear(&pg->hosts);
    pg->connect_timer = hx_timer_free(pg->connect_timer);
    pg->deadline_timer = hx_timer_free(pg->deadline_timer);
    pg->broken_timer = hx_timer_free(pg->broken_timer);
    pg_fail_flight(pg, &why);
    pg_fail_queue(pg, &why);
    for (struct hx_pg_tx *tx; (tx = pg_tx_list_pop(&pg->queue));) /* LISTEN, or submitted from those callbacks */
        hx_pg_tx_free(tx);
    pg_release(pg);
    return NULL;
}

bool hx_pg_connected(const struct hx_pg *pg) {
    return pg->state == PG_CONNECTED;
}

int32_t hx_pg_backend_pid(const struct hx_pg *pg) {
    return pg->state == PG_CONNECTED ? pg->backend_pid : 0;
}

int hx_pg_server_version(const struct hx_pg *pg) {
    return pg->state == PG_CONNECTED ? PQserverVersion(pg->conn) : 0;
}
