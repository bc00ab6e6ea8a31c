/* tasks_max: a run that has more processes and threads than its handler may have is ended. Ten times a second
 * it is looked whether it has. In a control group the kernel counts, and lets it have no more. Elsewhere they are counted here, which needs no
 * rights; that ends a fork bomb, and doesn't keep one from having a hundred processes too many until then. */
#pragma once

#include "worker/run.h"

/* A program has started. */
void tasks_watch(struct run *run);
