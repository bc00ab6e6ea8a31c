/* A database of our own on the server of another one, made to be read and dropped again. */
#pragma once

#include "migrations/database.h"
#include "migrations/split.h"

struct hx_scratch;

/* Makes it, with a schema of the name that `home` works in, and a session in it. 0 and *ret; or an exit code after a complaint:
 * HX_EXIT_NOT_PERMITTED where the login may make none. What scratch databases an earlier run that was killed left behind is dropped.
 * While it stands, INT, TERM and HUP end what runs in it and wait for hx_scratch_drop. */
int hx_scratch_make(struct hx_database *home, struct hx_scratch **ret);
struct hx_database *hx_scratch_database(struct hx_scratch *scratch);
/* Drops it whatever happened, and then dies of the signal that came meanwhile. NULL is fine; returns NULL. */
struct hx_scratch *hx_scratch_drop(struct hx_scratch *scratch);
HX_DEFINE_CLEANUP(struct hx_scratch, hx_scratch_drop)

/* Runs n statements of the file `path` in one transaction. 0, or an exit code after a complaint. */
int hx_scratch_run(struct hx_scratch *scratch, const char *path, const struct hx_statement *statements, size_t n);
/* Sets the session's search path, the one of `home`, and its other settings as they were before statements changed them. 0, or an exit
 * code after a complaint. */
int hx_scratch_settle(struct hx_scratch *scratch);
