/* The dead whose estate isn't settled yet. First all that they had started must be gone; then a worker's death is told to a scheduler,
 * and to another one if that dies, until it is answered. */
#pragma once

#include "lib/channel/channel.h"
#include "supervisor/cgroups.h"
#include "supervisor/death.h"
#include "supervisor/groups.h"

struct deaths;

/* cgroups, or NULL, must outlive it. */
struct deaths *deaths_new(const struct cgroups *cgroups);
struct deaths *deaths_free(struct deaths *ds);
/* Takes d over. */
void deaths_add(struct deaths *ds, struct death *d);
/* Kills the groups of those that aren't cleared, process groups and control groups; how many there still were. */
int deaths_kill_groups(struct deaths *ds, groups_spare_cb spare, void *user);
/* Nothing of any of them lives any more: forgets those that left no row in the ledger. on_clear (or NULL) hears of each. */
void deaths_clear(struct deaths *ds, void (*on_clear)(const struct death *d, void *user), void *user);
/* Tells this scheduler what no scheduler has been told. */
void deaths_tell(struct deaths *ds, struct hx_channel *scheduler);
/* This scheduler is gone: what it has not answered is to be told again. */
void deaths_scheduler_gone(struct deaths *ds, const struct hx_channel *scheduler);
/* False: there is no such death (any more). */
bool deaths_answered(struct deaths *ds, int64_t number);
/* How many wait for a scheduler's answer, or for their processes to be gone. */
size_t deaths_count(const struct deaths *ds);
/* How many workers' deaths no scheduler has settled. */
size_t deaths_unsettled(const struct deaths *ds);
