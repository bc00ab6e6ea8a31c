/* What a database says of itself: Alembic's version table, which Alembic can go on using, and beside it heimdex_migration, with
 * the checksum of what was applied and how far an interrupted revision came. */
#pragma once

#include "common/sha256.h"
#include "migrations/chain.h"
#include "migrations/database.h"

#include <stdint.h>

#define HX_RECORD_TABLE "heimdex_migration"

enum hx_record_state { HX_RECORD_APPLIED, HX_RECORD_UPGRADING, HX_RECORD_DOWNGRADING };

/* A row of heimdex_migration. */
struct hx_record_row {
    char *revision;
    char checksum[HX_SHA256_HEX_SIZE]; /* of the statements that have run */
    enum hx_record_state state;
    size_t statements; /* how many of them have run */
    bool started;      /* and the next one may have, too */
    char *when;        /* RFC 3339 */
};

/* A value type: zero-initialise, hx_record_read, hx_record_reset. */
struct hx_record {
    char **versions; /* of the version table */
    size_t version_count;
    struct hx_record_row *rows;
    size_t row_count;
    bool has_version_table, has_record_table;
};

/* Forgets what record held and reads it anew. 0, or an exit code after a complaint. */
int hx_record_read(struct hx_database *database, struct hx_record *record);
void hx_record_reset(struct hx_record *record);
const struct hx_record_row *hx_record_find(const struct hx_record *record, const char *revision); /* or NULL */
/* Makes the schema and the two tables where they are missing. 0, or an exit code after a complaint. */
int hx_record_create(struct hx_database *database, struct hx_record *record);

/* The number of revisions applied. 0; -ENOENT for a revision that the chain doesn't know, -ENOTUNIQ for several. */
int hx_record_position(const struct hx_record *record, const struct hx_chain *chain, size_t *ret_position);
/* Adds a problem for what the chain doesn't know, and for what was edited since it was applied. */
void hx_record_check(const struct hx_record *record, const struct hx_chain *chain, struct hx_problems *problems);

/* The row of a `-- no-transaction` revision that stopped on its way where the database stands, or NULL. */
const struct hx_record_row *hx_record_interrupted(const struct hx_record *record, const struct hx_chain *chain,
                                                  size_t position);
/* Adds a problem for such a row. */
void hx_record_tell_interrupted(const struct hx_record_row *row, struct hx_problems *problems);
/* Adds a problem if there is one: what goes on with it must not take it for a reason to stop. */
void hx_record_check_ended(const struct hx_record *record, const struct hx_chain *chain, struct hx_problems *problems);

/* --- parts of a transaction; each fails with a division by zero when it finds another state than it expects ---- */

/* The version table stands at id alone (NULL: is empty). Each returns the statement's index. */
int hx_record_add_check(struct hx_pg_tx *tx, struct hx_database *database, const char *id);
/* From one revision to another; NULL: base. */
int hx_record_add_move(struct hx_pg_tx *tx, struct hx_database *database, const char *from, const char *to);
/* Writes down how far a revision is. checksum is of the statements that have run. */
void hx_record_add_row(struct hx_pg_tx *tx, struct hx_database *database, const struct hx_record_row *row);
/* Forgets a revision. */
void hx_record_add_forget(struct hx_pg_tx *tx, struct hx_database *database, const char *revision);

/* The text of the two `create table if not exists` for these quoted names, each ended by ";\n". name: the version table's,
 * not quoted. */
void hx_record_create_sql(struct hx_buf *out, const char *version_table, const char *name, const char *record_table);
