/* PostgreSQL through libpq's asynchronous API only: non-blocking connections, pipeline mode, prepared statements,
 * binary parameters and results, and a deadline of our own on everything, because no socket or server timeout ends a
 * call to a frozen server.
 *
 * The unit is a transaction: statements sent as one pipeline with one Sync behind them, which PostgreSQL runs as one
 * implicit transaction, committed at the Sync. All results of it arrive together in one callback. */
#pragma once

#include "common/loop.h"
#include "common/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hx_pg;
struct hx_pg_tx;

/* What to do about a failure. */
enum hx_pg_class {
    HX_PG_OK = 0,
    HX_PG_RETRY,       /* 40001 40P01 55P03 57014-by-timeout: the same transaction again, soon */
    HX_PG_UNAVAILABLE, /* 08xxx 57P01-03 53xxx 25006, a lost or refused connection, our deadline, a missing partition: again,
                        * backed off */
    HX_PG_DATA,        /* 22xxx 23xxx: a value in the batch is to blame; find it by halving */
    HX_PG_DENIED,      /* 28xxx 42501: credentials or rights */
    HX_PG_SCHEMA,      /* 42xxx, 3F000, 3D000 …: the schema or our SQL is not what the other expects */
    HX_PG_OTHER,
};

struct hx_pg_error {
    enum hx_pg_class class;
    char sqlstate[6];    /* "" when the server said nothing */
    char message[256];   /* primary message, redacted, without DETAIL */
    char detail[256];    /* DETAIL's first line, redacted; "" if there is none, or if it tells a whole row */
    char constraint[64]; /* of 23xxx, else "" */
    int statement;       /* index of the failing statement, -1 unknown */
    bool in_doubt;       /* the Sync may have reached the server: it may have committed */
    int32_t backend_pid; /* of the connection that was lost */
};

/* "127.0.0.1:5432: Connection refused" of libpq's wordy text; others stay as they are. */
void hx_pg_error_text(const struct hx_pg_error *error, char *out, size_t size);
/* "Connection refused" alone: a part of the message. */
const char *hx_pg_error_reason(const struct hx_pg_error *error);

/* The class of a SQLSTATE (5 characters). */
enum hx_pg_class hx_pg_classify(const char *sqlstate);

struct hx_pg_options {
    /* libpq keywords and values, NULL-terminated; what is missing comes from libpq's own environment and defaults. */
    const char *const *keywords, *const *values;
    const char *application_name;
    int64_t timeout_ms;   /* deadline of connecting, and default of a transaction */
    int64_t connect_ms;   /* another deadline of connecting, shared by the hosts it may be made to; 0: timeout_ms */
    int64_t pause_max_ms; /* between attempts to connect; 0: 5 s */
    unsigned depth;       /* transactions in flight at once, 1..16; 0 means 1 */
    bool fail_fast;       /* a failed connection attempt fails what is queued at once (tools), instead of retrying
                            * with jittered backoff until each transaction's deadline (daemons) */
    bool no_prepare;      /* for transaction-pooling proxies: unnamed statements (pgbouncer also needs
                            * ignore_startup_parameters = options) */
    const char *settings; /* more "-c name=value" for the session, or NULL */
    /* What the server tells beside its results: severity ("NOTICE", "WARNING" …) and the primary message, redacted. NULL: a
     * debug line. */
    void (*notice)(const char *severity, const char *message, void *user);
};

/* Called when the connection state changes: connected, or lost with the reason. */
typedef void (*hx_pg_state_cb)(struct hx_pg *pg, bool connected, const struct hx_pg_error *why, void *user);

/* Makes the handle; connecting starts in the loop's next round. 0, or -EINVAL for depth or a timeout. Options that libpq
 * doesn't like fail like a connection. Session settings always on: statement_timeout (9/10 of timeout_ms, so that the
 * server's 57014 comes before our deadline and leaves no doubt; raised for a transaction with a longer one),
 * lock_timeout, idle_in_transaction_session_timeout, client_connection_check_interval, tcp_user_timeout and keepalives of both ends,
 * plan_cache_mode=force_generic_plan, enable_hashjoin/mergejoin/seqscan=off, READ COMMITTED, and synchronous_commit=on where it is off. */
int hx_pg_new(struct hx_loop *loop, const struct hx_pg_options *options, hx_pg_state_cb cb, void *user,
              struct hx_pg **ret);
/* Closes at once; queued transactions end with HX_PG_UNAVAILABLE; what their callbacks then submit is thrown away. NULL is
 * fine; so is a call from within any callback. */
struct hx_pg *hx_pg_free(struct hx_pg *pg);
bool hx_pg_connected(const struct hx_pg *pg);
/* The server's version (150018) while connected, else 0. */
int hx_pg_server_version(const struct hx_pg *pg);
/* The process that serves us, as the server said when we connected; 0 while there is none. A pooling proxy gives a number of
 * its own. */
int32_t hx_pg_backend_pid(const struct hx_pg *pg);
/* "PostgreSQL at HOST:PORT", of the host that it is connected to, or was last, or that it tried last. The caller frees. */
char *hx_pg_server(struct hx_pg *pg);
/* Transactions queued or in flight. */
unsigned hx_pg_pending(const struct hx_pg *pg);
typedef void (*hx_pg_notify_cb)(const char *channel, const char *payload, void *user);
/* LISTENs on the channel now and after each reconnect. One channel. */
void hx_pg_listen(struct hx_pg *pg, const char *channel, hx_pg_notify_cb cb, void *user);

/* --- transactions --- */
struct hx_pg_stmt {
    const char *name; /* also the prepared statement's name */
    const char *sql;  /* $1::type placeholders: the casts give the types of the binary parameters */
};

/* name is for logs and must be a literal. */
struct hx_pg_tx *hx_pg_tx_new(const char *name);
struct hx_pg_tx *hx_pg_tx_free(struct hx_pg_tx *tx); /* one that was never submitted; NULL is fine */
/* Begins the next statement; its parameters follow by the calls below, in order. stmt must outlive the connection. Returns the
 * statement's index, for the results. */
int hx_pg_tx_add(struct hx_pg_tx *tx, const struct hx_pg_stmt *stmt);

void hx_pg_null(struct hx_pg_tx *tx);
void hx_pg_bool(struct hx_pg_tx *tx, bool v);
void hx_pg_int4(struct hx_pg_tx *tx, int32_t v);
void hx_pg_int8(struct hx_pg_tx *tx, int64_t v);
void hx_pg_text(struct hx_pg_tx *tx, const char *v);            /* text, varchar, enum; NULL: null */
void hx_pg_jsonb(struct hx_pg_tx *tx, const char *v, size_t n); /* $n::jsonb; v NULL: null */
void hx_pg_uuid(struct hx_pg_tx *tx, const struct hx_uuid *v);  /* NULL: null */
void hx_pg_time(struct hx_pg_tx *tx, int64_t unix_us);          /* timestamptz; INT64_MIN: null */
/* Arrays; element i of a nullable one is null where the comment says so. All values are copied. n may be 0. */
void hx_pg_uuids(struct hx_pg_tx *tx, const struct hx_uuid *v, size_t n);
void hx_pg_int4s(struct hx_pg_tx *tx, const int32_t *v, size_t n); /* INT32_MIN: null */
void hx_pg_int8s(struct hx_pg_tx *tx, const int64_t *v, size_t n); /* INT64_MIN: null */
void hx_pg_bools(struct hx_pg_tx *tx, const bool *v, size_t n);
void hx_pg_times(struct hx_pg_tx *tx, const int64_t *unix_us, size_t n); /* INT64_MIN: null */
void hx_pg_texts(struct hx_pg_tx *tx, const char *const *v, size_t n);   /* NULL: null; text[] and varchar[] */
void hx_pg_jsonbs(struct hx_pg_tx *tx, const char *const *v, size_t n);  /* NULL: null; jsonb[] */

/* Bytes of parameters so far, to bound a batch. */
size_t hx_pg_tx_bytes(const struct hx_pg_tx *tx);

/* error NULL: committed, and results can be read. Otherwise nothing was committed, unless error->in_doubt. The
 * transaction is freed after the callback returns. */
typedef void (*hx_pg_done_cb)(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user);
/* Hands tx over. timeout_ms 0: the connection's. The callback is always called, once, from the loop. */
void hx_pg_submit(struct hx_pg *pg, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user);
/* For tools: submits and turns the loop until the transaction has ended, then calls cb (may be NULL) with it. */
enum hx_pg_class hx_pg_run(struct hx_pg *pg, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user,
                           struct hx_pg_error *reterr);

/* --- results, valid in the callback; statement: index in the order of hx_pg_tx_add. All results are binary. --- */
int hx_pg_rows(const struct hx_pg_tx *tx, int statement); /* rows returned */
int64_t hx_pg_affected(const struct hx_pg_tx *tx,
                       int statement); /* rows inserted, updated, deleted by the outermost command */
bool hx_pg_is_null(const struct hx_pg_tx *tx, int statement, int row, int col);
bool hx_pg_get_bool(const struct hx_pg_tx *tx, int statement, int row, int col);
int32_t hx_pg_get_int4(const struct hx_pg_tx *tx, int statement, int row, int col);
int64_t hx_pg_get_int8(const struct hx_pg_tx *tx, int statement, int row, int col);
struct hx_uuid hx_pg_get_uuid(const struct hx_pg_tx *tx, int statement, int row, int col);
int64_t hx_pg_get_time(const struct hx_pg_tx *tx, int statement, int row, int col); /* unix us; INT64_MIN for null */
/* text, varchar, enum, json; for jsonb select col::text. NUL-terminated, NULL for null; *ret_len may be NULL. */
const char *hx_pg_get_text(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_len);
/* uuid[] without nulls: points into the result at n big-endian elements copied into the caller's array (caller frees). */
struct hx_uuid *hx_pg_get_uuids(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_n);
