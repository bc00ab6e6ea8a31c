/* What the dead leave running. A worker adopts the daemonised grandchildren of its handlers; when it dies they become ours. So after a
 * death: kill the groups in the evidence, then every child of ours that we don't know, again and again until none is left. */
#pragma once

#include "common/loop.h"
#include "supervisor/deaths.h"

struct orphans;

/* Made before the first of our children: those that there are already are left alone. knows: true for a pid that is a child which we started. on_clear: no orphan is left, or the time (2 s) was up. */
struct orphans *orphans_new(struct hx_loop *loop, struct deaths *deaths, bool (*knows)(pid_t pid, void *user),
                            void (*on_clear)(void *user), void *user);
struct orphans *orphans_free(struct orphans *o);
/* Kills now what can be found, and goes on from the loop. */
void orphans_sweep(struct orphans *o);
/* True from orphans_sweep until on_clear. */
bool orphans_sweeping(const struct orphans *o);
