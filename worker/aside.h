/* What has to be written down in PostgreSQL before its record's offset may move on: records that are of no use, and candidates that this
 * worker can't start. Tried until it is done, or the worker leaves. Over the `side` connection. */
#pragma once

#include "worker/worker.h"

/* Into `quarantine`, with a line in the log: the beginning of a record, and why nobody can read it. */
void aside_record(struct worker *w, const struct hx_record *r, const char *why);
/* Into `waiting`, with the reason (static text), for whoever can start them; those that are no jobs as aside_missed has it. type: of all
 * of them, NULL: each one's handler's. Copies the candidates. */
void aside_park(struct worker *w, const char *type, const struct candidate *c, size_t n, const char *reason);
/* Candidates that a claim did not get, each with its record: those that are no jobs into `quarantine`, each as a record that announces
 * nothing else; not what retention may have deleted. Copies the candidates. */
void aside_missed(struct worker *w, const struct candidate *c, size_t n);
/* For the worker's end, when no transaction is in flight: what is not written is announced or found again. */
void aside_free_all(struct worker *w);
