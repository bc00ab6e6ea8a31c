/* The commands' way to PostgreSQL: one connection, one transaction at a time, one line when it fails. */
#pragma once

#include "ctl/ctl.h"

struct query {
    const char *name;                                    /* a literal */
    void (*add)(struct hx_pg_tx *tx, void *user);        /* appends the statements; again for each try */
    void (*read)(const struct hx_pg_tx *tx, void *user); /* once, when it has committed */
};

/* Runs it within postgres.timeout, deadlocks tried again, and takes the database's time. 0, or the exit code of a failure that
 * was complained of. */
int connection_run(struct ctl *c, const struct query *query, void *user);
/* The same without a word, *reterr instead: for --follow, which waits for a server that comes back. 0, or the exit code. */
int connection_try(struct ctl *c, const struct query *query, void *user, struct hx_pg_error *reterr);
/* The exit code that an error means, and the line that says it. */
int connection_exit_code(const struct hx_pg_error *error);
void connection_complain(const struct hx_pg_error *error);

/* A handle of its own, for doctor. NULL is complained of. */
struct hx_pg *connection_new(const struct hx_config *config, struct hx_loop *loop, int64_t timeout_ms);
/* Appends the question for the database's time, and reads it: microseconds. */
int connection_ask_clock(struct hx_pg_tx *tx);
/* The host, port and database we talk to, as far as the configuration says: "127.0.0.1:5432/heimdex". The caller frees. */
char *connection_address(const struct hx_config *config);
