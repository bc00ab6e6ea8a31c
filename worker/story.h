/* The way of single jobs, told in the log under their fields. Of programs every end is told. Claims, and ends of builtins, come by the ten
 * thousand a second: of those as many are told as a journal takes from a service, and of a job that was begun with, all is. */
#pragma once

#include "worker/backlog.h"
#include "worker/run.h"

/* The job is ours. batch: what was asked for, ordered by id, or NULL. */
void story_claimed(struct run *run, const struct batch *batch);
/* run.outcome says what it came to. */
void story_ended(struct run *run);
