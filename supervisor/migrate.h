/* --migrate: the schema is brought to this version's before the fleet starts. For development: in production a service checks
 * the schema and changes nothing. */
#pragma once

#include "lib/config/config.h"

/* Runs heimdex-migrate upgrade head and waits for it. bin_dir NULL: where our own program lies. 0, or the exit code to end with:
 * HX_EXIT_CONFIG where service.environment is neither local nor dev nor test, else heimdex-migrate's own. */
int migrate_first(const struct hx_config *config, const char *bin_dir);
