/* One job, from the command line. */
#pragma once

#include "producer/arguments.h"

/* Returns the exit code. */
int single_run(const struct arguments *arguments);
