/* tasks_max: a run that has more processes and threads than its handler may have is ended. They are counted ten times a second, which
 * needs no control group and no rights; it ends a fork bomb, and doesn't keep one from having a hundred processes too many until then. */
#pragma once

#include "worker/run.h"

/* A program has started. */
void tasks_watch(struct run *run);
