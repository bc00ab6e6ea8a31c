/* A job that took down as many workers as it may (jobs.max_crashes) runs once more, with nobody beside it: if its worker dies again it was this
 * job, and no other shares the blame. Until it has ended, its worker claims nothing. */
#pragma once

#include "worker/run.h"

/* Is the job, just claimed, one of those? */
bool alone_needed(const struct worker *w, const struct hx_job *job);
/* Keeps the claimed run back until the worker's other runs have ended. Copies job. */
void alone_hold(struct run *run, const struct hx_job *job);
/* Starts the next of them when nothing else runs or is being claimed. To be called before each wait. */
void alone_step(struct worker *w);
/* Is one kept back, or running? */
bool alone_wanted(const struct worker *w);
/* What is kept back goes back untouched. */
void alone_release(struct worker *w, const char *why);
/* It ends without having started: to be called before its outcome is set, and by run_free. No effect on another. */
void alone_drop(struct run *run);
