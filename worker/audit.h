/* The worker's claim rows compared with what it holds, once a lease: a claim that it doesn't know of would keep its jobs `running` under nobody
 * for as long as the worker lives. */
#pragma once

#include "worker/worker.h"

/* The next chance is to be taken. */
void audit_want(struct worker *w);
/* True while nothing may be sent on the `work` connection: an audit waits for what is in flight, or for its answer. To be called before
 * sending. */
bool audit_step(struct worker *w);
