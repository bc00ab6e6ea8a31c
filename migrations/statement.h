/* What kind of statement it is, as far as running it by itself needs to know. */
#pragma once

#include <stdbool.h>

enum hx_statement_kind {
    HX_STATEMENT_PLAIN,        /* may stand in a transaction */
    HX_STATEMENT_SETTING,      /* SET, RESET: holds for the session, so a resumed run repeats it */
    HX_STATEMENT_ALONE,        /* must not stand in a transaction: VACUUM, CALL, ALTER SYSTEM … */
    HX_STATEMENT_BUILDS_INDEX, /* CREATE INDEX CONCURRENTLY */
    HX_STATEMENT_DROPS_INDEX,  /* DROP INDEX CONCURRENTLY */
};

struct hx_statement_info {
    enum hx_statement_kind kind;
    char *index; /* of the last two: the index as it is written, quotes and all; "" where it has no name */
    char *table; /* of BUILDS_INDEX: the table as it is written */
};

/* hx_statement_info_reset frees what *ret points to. */
void hx_statement_read(const char *sql, struct hx_statement_info *ret);
void hx_statement_info_reset(struct hx_statement_info *info);

/* COPY … FROM STDIN or TO STDOUT, whose data would come from us or go to us. */
bool hx_statement_streams(const char *sql);

/* Why this statement can't stand in a revision (a literal), or NULL: BEGIN, COMMIT and their like would tear its
 * transaction apart, COPY … FROM STDIN has no data to read, and what can't run in a transaction needs the mark
 * `-- no-transaction`, without_transaction. */
const char *hx_statement_forbidden(const char *sql, bool without_transaction);
