/* All children. */
#pragma once

#include "supervisor/child.h"
#include "supervisor/status.h"

struct fleet {
    struct child **children;
    size_t count, room;
};

/* How many children of a role a configuration wants. */
int fleet_wanted(const struct role *role, const struct hx_config *config);
/* One child in place for each slot of the configuration. */
void fleet_init(struct fleet *fleet, const struct child_host *host, const struct hx_config *config);
void fleet_reset(struct fleet *fleet);
/* A child more, without a process. */
struct child *fleet_add(struct fleet *fleet, const struct child_host *host, const struct role *role, int slot,
                        enum child_place place);
/* Raises an event on every child of the role, or of all (role NULL). */
void fleet_event(struct fleet *fleet, const struct role *role, enum child_event event);
/* NULL: none. There is at most one in a slot that is in place, and one that is coming. */
struct child *fleet_find(const struct fleet *fleet, const struct role *role, int slot, enum child_place place);

/* ---- one configuration after the other ---- */

/* From now on these share host, whatever they were started with: their next process comes from there. */
void fleet_rehost(struct fleet *fleet, const struct child_host *host);
/* Its slot is somebody else's, or gone: it finishes what it runs, and ends. */
void fleet_retire(struct child *child);
/* Its slot's child retires, if there is one, and the coming child is in place. */
void fleet_take_over(struct fleet *fleet, struct child *coming);
/* Frees the children that have left. Not to be called from their callbacks. */
void fleet_bury(struct fleet *fleet);

/* ---- what there is ---- */

bool fleet_has_pid(const struct fleet *fleet, pid_t pid);
/* Children of the role (NULL: any) that have a process, wherever they stand; that are in place and can work now. */
unsigned fleet_alive(const struct fleet *fleet, const struct role *role);
unsigned fleet_working(const struct fleet *fleet, const struct role *role);
/* Fills in what children say of themselves. Texts are borrowed. */
void fleet_view(const struct fleet *fleet, struct status_view *ret);
/* What the control socket says of each: [{"role","slot","pid","state","ready","waiting","restarts","running","uptime_ms"}]. */
json_t *fleet_json(const struct fleet *fleet);
