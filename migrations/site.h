/* Where a command works: one chain, and the database, schema and version table that it is for. Without a services file
 * there is one, the configured database with its default schema; else one a service. */
#pragma once

#include "migrations/chain.h"

#define HX_VERSION_TABLE "alembic_version"

struct hx_site {
    const char *service;           /* NULL without a services file */
    const char *chain_directory;   /* NULL: the chain built in */
    const char *alembic_directory; /* not NULL: an Alembic versions folder instead */
    const char *schema;            /* made if missing; NULL: the first of the search path */
    const char *version_table;
    const char *database;   /* NULL: the configured one */
    struct hx_chain *chain; /* loaded and without problems when a command runs */
};

/* Loads the site's chain. As hx_chain_load. */
int hx_site_load(struct hx_site *site, struct hx_problems *problems);
