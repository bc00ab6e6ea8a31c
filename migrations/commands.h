/* The commands of heimdex-migrate. */
#pragma once

#include "lib/config/config.h"

#include <stdbool.h>

struct hx_migrate {
    const struct hx_config *config;
    const char *chain; /* a directory, or NULL for the chain that was built in */
    bool verbose, json;
};

/* words: the command and what belongs to it. Returns the program's exit code; complaints are printed. */
int hx_migrate_run(const struct hx_migrate *options, char **words, int count);
