/* The schema that a database should have: the chain's, or the one given by --against. */
#pragma once

#include "migrations/database.h"
#include "migrations/schema.h"

/* The chain of the live database's site applied to a scratch database; with --against a database (a connection string) or a
 * schema file (statements, as `pg_dump --schema-only` writes them) instead. 0, or an exit code after a complaint. */
int hx_wanted_read(struct hx_database *live, struct hx_schema *ret);
/* The live schema itself. 0, or an exit code after a complaint. */
int hx_live_read(struct hx_database *live, struct hx_schema *ret);
