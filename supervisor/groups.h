/* The process groups that a dead worker's evidence names. */
#pragma once

#include "common/evidence.h"

#include <stdbool.h>
#include <sys/types.h>

/* True for a group that must be left alone whatever the evidence says: one of our own. NULL: none. */
typedef bool (*groups_spare_cb)(pid_t pgid, void *user);

/* Sends SIGKILL to every group whose handler had started and not ended. Returns how many of them there still were. */
int groups_kill(const struct hx_evidence *evidence, groups_spare_cb spare, void *user);
