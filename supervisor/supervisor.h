/* heimdex-supervisor: keeps a fleet of workers and schedulers alive, tells systemd and operators how it does, and ends it cleanly. */
#pragma once

#include "lib/config/config.h"

struct supervisor;

/* Takes the control socket and the instance's name, and makes ready to start. 0 and *ret, or the exit code to end with, which was explained on stderr.
 * Takes config over, whatever comes of it. bin_dir must live as long; NULL: the children's programs lie beside ours. */
int supervisor_new(struct hx_config *config, const char *bin_dir, struct supervisor **ret);
/* Starts the fleet, and runs until it has ended. Returns the exit code. */
int supervisor_run(struct supervisor *s);
struct supervisor *supervisor_free(struct supervisor *s);
