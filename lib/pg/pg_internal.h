/* What the files of lib/pg share; nobody else includes it. */
#pragma once

#include "common/text.h"
#include "lib/pg/pg.h"

#include <libpq-fe.h>
#include <netdb.h>

/* --- a transaction --- */

/* One parameter: a slice of the transaction's buffer; len -1 is NULL. */
struct pg_param {
    size_t offset;
    int32_t len;
};

struct pg_statement {
    const struct hx_pg_stmt *stmt;
    size_t first_param, params;
    bool prepares; /* its Prepare travels in this transaction */
    PGresult *result;
};

enum pg_tx_state {
    PG_TX_OPEN,    /* being built, or queued: nothing of it was sent */
    PG_TX_SENDING, /* its statements are with libpq, its Sync is held back */
    PG_TX_SENT,    /* its Sync may be on the wire */
};

/* Which answer comes next. */
enum pg_tx_at { PG_AT_TIMEOUT, PG_AT_PREPARE, PG_AT_QUERY, PG_AT_SYNC };

struct hx_pg_tx {
    const char *name;
    struct hx_buf data; /* all parameters of all statements */
    struct pg_param *params;
    size_t param_count, param_cap;
    struct pg_statement *statements;
    size_t count, cap;
    bool oversize; /* more than the protocol can carry */
    bool internal; /* LISTEN: nobody waits for it */

    enum pg_tx_state state;
    bool sets_timeout; /* starts with a hidden statement that raises statement_timeout */
    int64_t timeout_ms, deadline_ms;
    hx_pg_done_cb cb;
    void *user;

    enum pg_tx_at at;
    size_t at_statement;
    bool answered; /* the current item had its result; libpq's NULL closes it */
    bool failed;   /* error holds the server's answer */
    struct hx_pg_error error;
    struct hx_pg_tx *next;
};

struct pg_tx_list {
    struct hx_pg_tx *head, *tail;
    unsigned count;
};

void pg_tx_list_push(struct pg_tx_list *list, struct hx_pg_tx *tx);
void pg_tx_list_push_front(struct pg_tx_list *list, struct hx_pg_tx *tx);
struct hx_pg_tx *pg_tx_list_pop(struct pg_tx_list *list); /* NULL when empty */

/* --- the connection --- */

/* A statement prepared on this connection, or about to be. */
struct pg_prepared {
    const char *name;
    bool ready;                    /* the server said so */
    const struct hx_pg_tx *sender; /* while not ready */
};

enum pg_state { PG_WAITING, PG_RESOLVING, PG_CONNECTING, PG_CONNECTED };

struct pg_keywords {
    char **keywords, **values; /* NULL-terminated */
    size_t count;
};

struct pg_host;
struct pg_hosts {
    struct pg_host *v;
    size_t count; /* 0: libpq has a default, or a complaint */
};

struct hx_pg {
    struct hx_loop *loop;
    struct pg_keywords connect; /* what libpq gets; the last of a keyword wins */
    struct pg_hosts hosts;      /* of the attempt that is made */
    int64_t timeout_ms, connect_ms, pause_max_ms;
    unsigned depth;
    bool fail_fast, no_prepare;
    void (*notice)(const char *severity, const char *message, void *user);
    hx_pg_state_cb cb;
    void *user;

    enum pg_state state;
    PGconn *conn;
    struct hx_watch *watch;
    uint32_t events;
    struct hx_timer *connect_timer;  /* the next attempt, or the end of this one's turn */
    struct hx_timer *deadline_timer; /* not after the earliest deadline of a transaction */
    struct hx_timer *broken_timer;   /* sending failed outside of the loop's callbacks */
    int64_t deadline_armed_ms;       /* when deadline_timer fires; 0: not armed */
    int32_t backend_pid;
    unsigned failures;      /* connection attempts failed in a row */
    int64_t began_ms;       /* the attempt */
    int64_t share_ms;       /* of its time, that each of the hosts has */
    size_t turns, silent;   /* hosts that it tries; those that took too long */
    size_t turn;            /* which host is first: the next one when one took too long */
    bool opening;           /* the answer to pg_open comes first */
    bool broken;            /* sending failed: the connection is to be given up */
    bool doomed;            /* to be replaced once nothing is in flight: 26000, 25006 … */
    struct hx_pg_error why; /* why we aren't connected, or what the server said last before hanging up */
    bool has_why;
    struct hx_pg_error told; /* the last reason given to cb */
    bool told_down;
    char *server; /* "HOST:PORT", of the last connection or attempt */

    struct pg_tx_list queue, flight;
    struct pg_prepared *prepared;
    size_t prepared_count, prepared_cap;
    const char **values; /* scratch for sending */
    int *lengths, *formats;
    size_t scratch_cap;

    char *channel, *listen_sql;
    struct hx_pg_stmt listen_stmt;
    hx_pg_notify_cb notify;
    void *notify_user;

    unsigned held; /* callbacks of ours on the stack: freeing waits for them */
    bool freed;
};

/* Between hold and release the handle's memory stays, even when a callback calls hx_pg_free. */
void pg_hold(struct hx_pg *pg);
void pg_release(struct hx_pg *pg);

/* Gives the connection up, fails what is in flight, and schedules the next attempt. why NULL: libpq's reason. */
void pg_lost(struct hx_pg *pg, const struct hx_pg_error *why);
/* Sets the events that the connection's socket is watched for. */
void pg_watch(struct hx_pg *pg, uint32_t events);

/* pg_server.c: before the connection is given up. */
void pg_remember_server(struct hx_pg *pg);
void pg_remember_host(struct hx_pg *pg, const char *host, const char *port);
/* libpq's text, with the host's name where it gives the address that it was told for it. The caller frees. */
char *pg_server_named(const struct pg_hosts *hosts, const char *text);

/* pg_lookup.c */
struct pg_lookup;
/* Looks a host name up in a thread of its own; answered is called once, from the loop, unless the lookup is freed before. 0, or a
 * negative errno: no descriptor or no thread left. */
int pg_lookup_new(struct hx_loop *loop, const char *name, void (*answered)(void *user), void *user,
                  struct pg_lookup **ret);
struct pg_lookup *pg_lookup_free(struct pg_lookup *l); /* never waits; NULL is fine */
bool pg_lookup_done(const struct pg_lookup *l);
const struct addrinfo *pg_lookup_found(const struct pg_lookup *l); /* NULL: not done, or no address */
const char *pg_lookup_why(const struct pg_lookup *l);              /* there is no address, else NULL */

/* pg_hosts.c */
/* For an attempt: reads which hosts libpq would connect to, and begins to look their names up. A lookup that still runs is gone on with,
 * and an answer that came too late for the attempt before is taken. 0, or a negative errno as of pg_lookup_new. */
int pg_hosts_begin(struct pg_hosts *h, const struct pg_keywords *k, struct hx_loop *loop, void (*answered)(void *user),
                   void *user);
void pg_hosts_clear(struct pg_hosts *h);
bool pg_hosts_pending(const struct pg_hosts *h); /* names are being looked up */
size_t pg_hosts_usable(
    const struct pg_hosts *h);         /* hosts that a connection could be made to now; no host given counts as one */
void pg_hosts_use(struct pg_hosts *h); /* the answers that are there serve no further attempt */
/* PQconnectStartParams with the usable hosts, of which there must be one, and their addresses. turn: how many of them go to the end,
 * round and round; and at each round one address of each. */
PGconn *pg_hosts_connect(const struct pg_hosts *h, const struct pg_keywords *k, size_t turn);
/* The first host without an address, why, and its port; NULL: there is none. */
const char *pg_hosts_unknown(const struct pg_hosts *h, int64_t waited_ms, struct hx_pg_error *reterr,
                             const char **ret_port);
/* The name that was looked up and has this address, or NULL. */
const char *pg_hosts_name(const struct pg_hosts *h, const char *address);

/* pg_keywords.c */
void pg_keywords_build(struct pg_keywords *k, const struct hx_pg_options *options, int64_t timeout_ms);
struct pg_keyword {
    const char *keyword, *value; /* value NULL or "": not given */
};
/* PQconnectStartParams with more, which win. */
PGconn *pg_keywords_connect(const struct pg_keywords *k, const struct pg_keyword *more, size_t count);
/* What libpq makes of them, of its environment, a service file and a connection string; it connects to nobody. For PQconninfoFree. */
PQconninfoOption *pg_keywords_used(const struct pg_keywords *k);
const char *pg_keywords_value(const PQconninfoOption *options, const char *keyword); /* NULL: none */
void pg_keywords_free(struct pg_keywords *k);
/* The server's limit that belongs to a deadline of ours. */
static inline int64_t pg_statement_timeout(int64_t timeout_ms) {
    return timeout_ms - timeout_ms / 10;
}

/* pg_queue.c */
void pg_finish(struct hx_pg *pg, struct hx_pg_tx *tx, const struct hx_pg_error *error); /* one that is in no list */
void pg_fail_flight(struct hx_pg *pg, const struct hx_pg_error *why);
void pg_fail_queue(struct hx_pg *pg, const struct hx_pg_error *why);
void pg_deadlines(void *user); /* timer callback */
void pg_queue_listen(struct hx_pg *pg);

/* pg_pipeline.c */
/* Sends what the session begins with, ahead of all transactions. False when the connection is at its end. */
bool pg_open(struct hx_pg *pg);
void pg_pump(struct hx_pg *pg);     /* sends what may be sent; calls nobody back */
void pg_readable(struct hx_pg *pg); /* reads, finishes transactions, delivers notifications; may lose the connection */
void pg_forget_prepared(struct hx_pg *pg);

/* pg_error.c */
void pg_error_set(struct hx_pg_error *e, enum hx_pg_class class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void pg_error_of_result(struct hx_pg_error *e, const PGresult *result);
/* From the text that libpq keeps for a connection that could not be made, or broke. */
void pg_error_of_connect(struct hx_pg_error *e, const PGconn *conn, const struct pg_hosts *hosts);
void pg_error_of_text(struct hx_pg_error *e, const char *text);
/* The server ends the connection after this one. */
bool pg_result_is_fatal(const PGresult *result);
/* Prepared statements of this connection are of no more use after this error, or its server isn't the primary. */
bool pg_result_dooms(const PGresult *result);
