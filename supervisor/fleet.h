/* All children. */
#pragma once

#include "supervisor/child.h"
#include "supervisor/status.h"

struct fleet {
    struct child *children; /* in the order of the service table */
    size_t count;
};

void fleet_init(struct fleet *fleet, const struct child_host *host, const struct hx_config *config);
void fleet_reset(struct fleet *fleet);
/* Raises an event on every child of the role, or of all (role NULL). */
void fleet_event(struct fleet *fleet, const struct role *role, enum child_event event);
/* NULL: none. */
struct child *fleet_find(struct fleet *fleet, const struct role *role, int slot);
bool fleet_has_pid(const struct fleet *fleet, pid_t pid);
/* Children of the role (NULL: any) that have a process; that can work now. */
unsigned fleet_alive(const struct fleet *fleet, const struct role *role);
unsigned fleet_working(const struct fleet *fleet, const struct role *role);
/* Fills in all but ready, stopping and unsettled. Texts are borrowed. */
void fleet_view(const struct fleet *fleet, struct status_view *ret);
/* What the control socket says of each: [{"role","slot","pid","state","ready","waiting","restarts","running","uptime_ms"}]. */
json_t *fleet_json(const struct fleet *fleet);
