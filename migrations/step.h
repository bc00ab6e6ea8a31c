/* One revision, one way. */
#pragma once

#include "migrations/chain.h"
#include "migrations/database.h"

#include <stdbool.h>

struct hx_step {
    const struct hx_revision *revision;
    const struct hx_statements *statements;
    const char *from, *to; /* NULL: base */
    bool down;
};

/* The step that leads from `position`, up or down. */
struct hx_step hx_step_at(const struct hx_chain *chain, size_t position, bool down);
/* "upgrade" or "downgrade" */
const char *hx_step_verb(const struct hx_step *step);
/* The line of its statement at index; of its section where there is no such statement. */
unsigned hx_step_line(const struct hx_step *step, size_t index);

/* A failure that is worth another try: a lock not granted, a deadlock, a serialisation failure. */
bool hx_step_worth_retrying(const struct hx_pg_error *error);
/* "REV: FILE:LINE: SQLSTATE: message" as a complaint, with who was in the way where that is known. Returns the exit code: 1
 * for what its SQL is to blame for. */
int hx_step_complain(const struct hx_step *step, size_t statement, const struct hx_pg_error *error, const char *holder);
/* The version table isn't where it should be, in the middle of things: somebody else has moved it, or the revision's own SQL.
 * Complains; returns the exit code. */
int hx_step_complain_moved(const struct hx_step *step, const struct hx_database *database);

/* The first and the last statement of a revision's transaction. */
extern const struct hx_pg_stmt hx_step_begin, hx_step_commit;
/* Runs one that has them; a failed one is rolled back. */
void hx_step_run(struct hx_database *database, struct hx_pg_tx *tx, struct hx_pg_error *reterr);

/* Takes it in one transaction, the version row in the same. 0, or an exit code after a complaint. */
int hx_step_take(struct hx_database *database, const struct hx_step *step);
