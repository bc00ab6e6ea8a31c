/* Running one of our other programs to its end, with the configuration that was read here. */
#pragma once

#include "lib/config/config.h"

/* program lies in bin_dir (NULL: where our own program lies) and is given `--config-fd N` and the words, NULL-terminated, at most 4;
 * nothing on its standard input and output. It dies of death_signal when we do. Its exit code, HX_EXIT_SOFTWARE if a signal ended
 * it, or -errno if it could not be started. */
int sibling_run(const struct hx_config *config, const char *bin_dir, const char *program, const char *const *words,
                int death_signal);
