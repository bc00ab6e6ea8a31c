/* Indexes that are built without a transaction: an interrupted CREATE INDEX CONCURRENTLY leaves one that is kept up to date
 * and never used, and under whose name no other can be made. */
#pragma once

#include "migrations/database.h"
#include "migrations/statement.h"

/* Makes way for the statement: drops an invalid index of the name that it builds. *ret_done: nothing is left to do, because
 * an earlier run, which started it, has done it. 0, or an exit code after a complaint. */
int hx_index_prepare(struct hx_database *database, const struct hx_statement_info *info, bool started_before,
                     bool *ret_done);
/* Names the invalid indexes of our schema in a warning. 0, or an exit code after a complaint. */
int hx_index_warn(struct hx_database *database);
