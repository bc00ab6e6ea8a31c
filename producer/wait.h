/* --wait: looks at a job until it has ended, shows how far it is, and prints what came of it. */
#pragma once

#include "producer/session.h"

/* Returns the exit code: 0 succeeded, 1 not, 75 when the time that was given is over, or what is wrong with PostgreSQL. */
int wait_run(struct session *session, const struct answer *job);
