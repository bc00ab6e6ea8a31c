/* What is known of a worker's death, ready for the ledger. */
#pragma once

#include "common/evidence.h"
#include "lib/json/json.h"
#include "lib/ledger/ledger.h"

struct death {
    struct death *next;
    int64_t number;      /* the supervisor's; -1: nobody waits for an answer */
    int32_t worker;      /* 0: it died before it had a row */
    struct hx_uuid *ids; /* what had started, ascending; each (id, fence) once */
    int32_t *fences;
    bool *ended; /* or cut short by the fleet */
    size_t n;
    bool no_evidence;
    char *code, *message, *detail; /* detail: a JSON object */
};

/* For a worker of which nothing is known but that it is gone. */
struct death *death_without_evidence(int32_t worker, const char *code, const char *message);
/* From the supervisor's {"op":"death"} and the evidence's descriptor (-1: none; stays the caller's). NULL: not such a message. What
 * the evidence says is copied: it may be closed. */
struct death *death_from_message(const json_t *message, int fd);
struct death *death_free(struct death *d); /* NULL is fine; returns NULL */
/* Fills in ids, fences and ended; entries in no known state say nothing. */
void death_read_evidence(struct death *d, const struct hx_evidence *evidence);
/* Leaves nothing in it that PostgreSQL could refuse. */
void death_simplify(struct death *d);
struct hx_death death_for_ledger(const struct death *d, int64_t backoff_base_ms, int64_t backoff_max_ms,
                                 int32_t max_crashes);
