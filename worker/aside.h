/* What has to be written down in PostgreSQL before its record's offset may move on: records nobody can read, and candidates that this
 * worker can't start. Tried until it is done, or the worker leaves. Over the `side` connection. */
#pragma once

#include "worker/worker.h"

/* Into `quarantine`: the beginning of a record, and why nobody can read it (static text). */
void aside_record(struct worker *w, const struct hx_record *r, const char *why);
/* Into `waiting`, with the reason (static text), for whoever can start them. Copies the candidates. */
void aside_park(struct worker *w, const struct candidate *c, size_t n, const char *reason);
/* For the worker's end, when no transaction is in flight: what is not written is announced or found again. */
void aside_free_all(struct worker *w);
