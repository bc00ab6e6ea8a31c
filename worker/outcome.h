/* What a handler's end means for its job: one policy for all kinds of handlers. Each function sets run.outcome. */
#pragma once

#include "worker/run.h"

enum retry { RETRY_UNSAID, RETRY_YES, RETRY_NO };

struct failure {
    const char *code, *message; /* message may be NULL */
    enum retry retry;           /* UNSAID: yes */
    int64_t retry_after_ms;     /* -1: the handler's backoff with full jitter */
    const char *members;        /* more members of the event's detail, "\"exit_code\":3", or NULL */
};

void outcome_success(struct run *run, const char *result_json); /* NULL: no result */
/* failed while attempts are left and it may be retried, else dead_letter. */
void outcome_failure(struct run *run, const struct failure *failure);
void outcome_snooze(struct run *run, int64_t delay_ms);
void outcome_canceled(struct run *run, const char *why);
/* The fleet ended the run: queued again at once, one more attempt allowed. */
void outcome_cut_short(struct run *run, const char *why);
/* Claimed and never started: queued again untouched. */
void outcome_released(struct run *run, const char *why);
/* The outcome can't be written (the database refuses a value of it): dead_letter with the SQLSTATE, and nothing of the handler's. */
void outcome_unwritable(struct run *run, const char *sqlstate, const char *message);
