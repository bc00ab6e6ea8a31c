/* What is logged of a child's life: each thing once. */
#pragma once

#include "supervisor/child.h"

/* wanted: we had asked for this end. */
void child_log_death(const struct child *child, const struct death *d, const struct rusage *usage, bool wanted);
void child_log_not_started(const struct child *child, int error);
/* We are about to kill it, for this event. */
void child_log_stuck(const struct child *child, enum child_event event);
