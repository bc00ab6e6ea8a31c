/* --batch: from lines to ids. */
#pragma once

#include "producer/arguments.h"

/* Returns the exit code. */
int feed_run(const struct arguments *arguments);
