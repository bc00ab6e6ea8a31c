/* Why PostgreSQL didn't do it, as one line on stderr and an exit code. */
#pragma once

#include "lib/pg/pg.h"

/* Prints the line; returns the exit code. */
int failure_complain(const struct hx_pg_error *error);
/* The exit code alone. */
int failure_exit_code(const struct hx_pg_error *error);
/* True if trying again may help before long: not for a server that can't be reached at all when we have just started, nor for what
 * a person must mend first. */
bool failure_is_passing(const struct hx_pg_error *error, bool connected_before);
