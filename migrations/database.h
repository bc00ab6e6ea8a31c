/* A session on the database of a site, with the settings that a revision's SQL may count on. */
#pragma once

#include "lib/pg/pg.h"
#include "migrations/options.h"
#include "migrations/site.h"

#include <stdbool.h>

/* How long the questions of our own may take: they read a few rows. */
#define HX_DATABASE_ASK_MS 10000

struct hx_database {
    const struct hx_migrate *options;
    const struct hx_site *site;
    struct hx_loop *loop;
    struct hx_pg *pg;
    int32_t backend; /* the server's process, as it says itself */
    char *schema;    /* where the version table is or would be; not quoted */
    bool has_schema;
    /* Quoted, with their schema: */
    char *version_table, *record_table;
    void **kept; /* freed once nothing can refer to them any more */
    size_t kept_count;
};

/* Connects and sets the session up. 0 and *ret, or an exit code after a complaint: away, not permitted, a proxy that
 * can't be used. options and site must outlive the database. */
int hx_database_open(const struct hx_migrate *options, const struct hx_site *site, struct hx_database **ret);
struct hx_database *hx_database_close(struct hx_database *database); /* NULL is fine; returns NULL */
HX_DEFINE_CLEANUP(struct hx_database, hx_database_close)
/* A second connection to the same place, with nothing set up, for the same loop. 0 or a negative errno. */
int hx_database_second(const struct hx_database *database, struct hx_pg **ret);

/* Sets search_path, timeouts and planner as they were before a script changed them. 0, or an exit code. */
int hx_database_settle(struct hx_database *database);

/* A statement that lives as long as the connection, as lib/pg wants it. */
const struct hx_pg_stmt *hx_database_statement(struct hx_database *database, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Runs a transaction of our own questions; cb may be NULL. 0, or an exit code after a complaint. */
int hx_database_ask(struct hx_database *database, struct hx_pg_tx *tx, hx_pg_done_cb cb, void *user);

/* "SQLSTATE: message: detail", without what isn't there. */
void hx_database_describe(const struct hx_pg_error *error, struct hx_buf *out);
/* The exit code for a failure outside of a revision's own SQL. */
int hx_database_exit(const struct hx_pg_error *error);
/* "postgresql: SQLSTATE: message" as a complaint; returns the exit code. */
int hx_database_complain(const struct hx_pg_error *error);
