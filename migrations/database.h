/* The database a chain is applied to, and its version table: Alembic's own, so that Alembic can read it and what
 * Alembic wrote is understood. */
#pragma once

#include "lib/config/config.h"
#include "lib/pg/pg.h"

#include <stdbool.h>

/* The statements that name the version table, which lies in the search path's first schema. */
struct hx_version_sql {
    struct hx_pg_stmt read, create, is_at, is_empty, insert, update, delete;
};

struct hx_database {
    struct hx_loop *loop;
    struct hx_pg *pg;
    struct hx_version_sql sql; /* filled in by the first hx_database_version */
    bool has_table;            /* as hx_database_version found it last */
    void **kept;               /* freed once nothing can refer to them any more */
    size_t kept_count;
};

/* Connects in the background. 0 and *ret, or an exit code after a complaint. config must outlive the database. */
int hx_database_open(const struct hx_config *config, struct hx_database **ret);
struct hx_database *hx_database_close(struct hx_database *database); /* NULL is fine; returns NULL */

/* The revision that is applied, NULL for none; the caller frees *ret_id. 0, or an exit code after a complaint: away,
 * not permitted, or a version table that isn't one revision's. */
int hx_database_version(struct hx_database *database, char **ret_id);

/* Frees pointer with the connection: lib/pg wants a statement's text to live as long. */
void hx_database_keep(struct hx_database *database, void *pointer);

/* The exit code for a failure outside of a revision's own SQL. */
int hx_database_exit(const struct hx_pg_error *error);
/* "postgresql: SQLSTATE: message" as a complaint; returns the exit code. */
int hx_database_complain(const struct hx_pg_error *error);
