/* One configuration and what follows from it for the children that are started with it. A reload makes another. */
#pragma once

#include "supervisor/child.h"

struct setup {
    struct hx_config *config;
    char *files; /* the state of the files that it names: hx_config_files */
    struct launch *launch;
    struct child_host host;
};

/* What is the same for all setups of a supervisor. */
struct setup_common {
    const char *bin_dir; /* or NULL */
    const char *instance, *incarnation;
    struct child_host host; /* loop and callbacks */
};

/* Takes config over, whatever comes of it. 0, or -errno of launch_new. */
int setup_new(struct hx_config *config, const struct setup_common *common, struct setup **ret);
/* No child's host may be its any more. */
struct setup *setup_free(struct setup *setup);
/* True when children that were started with one of them would be started otherwise with the other; false when at most their number and
 * their supervision differ. */
bool setup_differs_for_children(const struct setup *a, const struct setup *b);
