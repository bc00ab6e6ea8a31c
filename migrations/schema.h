/* A schema as it is in a database, taken apart into facts: one for each thing that can differ (migrations/catalog/facts.sql). */
#pragma once

#include "lib/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>

/* All texts are never NULL, but make and unmake are where no statement does it, and what is only of some. */
struct hx_fact {
    int rank;     /* the order in which facts can be made */
    char *kind;   /* "table", "column", "index" … */
    char *object; /* "job", "job.status" */
    char *owner;  /* the object without which this one isn't worth a word, "" for none */
    char *aspect; /* what of the object, "" for its being there */
    char *value;
    char *make, *unmake;
    char *attach, *detach; /* of a partition, else NULL */
    char *views;           /* of a column's type: those that keep it from being changed, or NULL */
    bool covered;          /* making the owner makes it too */
    bool lossy;            /* unmaking it loses data or code */
    bool replace;          /* a change unmakes the old one first */
    bool minor;            /* not worth a word when something else of the object differs */
    bool is_type;          /* a column's type: whether changing it is lossy depends on both */
};

/* A value type: zero-initialise, hx_schema_read, hx_schema_reset. Facts stand in the order in which they can be made. */
struct hx_schema {
    struct hx_fact *facts;
    size_t count;
};

/* Reads the first schema of the session's search path, without the version table and heimdex_migration, and without partitions by
 * time, which come and go. schema: its name. */
enum hx_pg_class hx_schema_read(struct hx_pg *pg, const char *schema, const char *version_table, struct hx_schema *ret,
                                struct hx_pg_error *reterr);
void hx_schema_reset(struct hx_schema *schema);
