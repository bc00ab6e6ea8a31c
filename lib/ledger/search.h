/* A search for jobs, newest first, by status, type, organisation and time. At ten million jobs one statement can't promise to be
 * quick: so the search takes as many steps as it needs, each a transaction of some milliseconds, and whoever drives it stops when they
 * have waited long enough. docs/protocol.md tells which way in serves what. */
#pragma once

#include "lib/ledger/ledger.h"

struct hx_job_filter {
    int status;                   /* enum hx_status, or -1 */
    const char *type;             /* or NULL */
    const struct hx_uuid *org_id; /* or NULL */
    int64_t since, until;         /* created at or after, and before; HX_NO_TIME: open */
    int32_t limit;                /* at least 1 */
};

struct hx_search;

/* The filter's strings and ids stay the caller's, and must live as long. */
struct hx_search *hx_search_new(const struct hx_job_filter *filter);
/* Appends the next step's statement; again for each try. */
void hx_search_ask(struct hx_search *s, struct hx_pg_tx *tx);
/* Takes what it found, once it has committed. */
void hx_search_answer(struct hx_search *s, const struct hx_pg_tx *tx);
/* True when nothing is left to look at, or the limit is reached. */
bool hx_search_done(const struct hx_search *s);
/* How many jobs were found so far, and one of them as a JSON object: in order, newest first. The text is the search's. */
size_t hx_search_count(const struct hx_search *s);
const char *hx_search_job(struct hx_search *s, size_t i);
/* How many jobs were looked at, and how far back: all that were created since this time, in Unix microseconds; 0 when only jobs with
 * random ids, which older releases made, are left. Once something was looked at. */
int64_t hx_search_looked(const struct hx_search *s);
int64_t hx_search_reached(const struct hx_search *s);
struct hx_search *hx_search_free(struct hx_search *s); /* NULL is fine; returns NULL */
