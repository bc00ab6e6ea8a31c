#include "supervisor/fleet.h"

#include "common/clock.h"
#include "common/text.h"

static size_t wanted(const struct role *role, const struct hx_config *config) {
    return (size_t)hx_config_int(config, role->count);
}

void fleet_init(struct fleet *fleet, const struct child_host *host, const struct hx_config *config) {
    size_t n = 0;
    for (size_t r = 0; r < ROLES; r++)
        fleet->count += wanted(&roles[r], config);
    fleet->children = hx_allocn(fleet->count + 1, sizeof(*fleet->children));
    for (size_t r = 0; r < ROLES; r++)
        for (size_t slot = 0; slot < wanted(&roles[r], config); slot++)
            child_init(&fleet->children[n++], host, &roles[r], (int)slot);
}

void fleet_reset(struct fleet *fleet) {
    for (size_t i = 0; i < fleet->count; i++)
        child_reset(&fleet->children[i]);
    free(fleet->children);
    *fleet = (struct fleet){ 0 };
}

static bool matches(const struct child *child, const struct role *role) {
    return !role || child->role == role;
}

void fleet_event(struct fleet *fleet, const struct role *role, enum child_event event) {
    for (size_t i = 0; i < fleet->count; i++)
        if (matches(&fleet->children[i], role))
            child_event(&fleet->children[i], event);
}

struct child *fleet_find(struct fleet *fleet, const struct role *role, int slot) {
    for (size_t i = 0; i < fleet->count; i++)
        if (matches(&fleet->children[i], role) && fleet->children[i].slot == slot)
            return &fleet->children[i];
    return NULL;
}

bool fleet_has_pid(const struct fleet *fleet, pid_t pid) {
    for (size_t i = 0; i < fleet->count; i++)
        if (fleet->children[i].pid == pid && pid > 0)
            return true;
    return false;
}

unsigned fleet_alive(const struct fleet *fleet, const struct role *role) {
    unsigned n = 0;
    for (size_t i = 0; i < fleet->count; i++)
        n += matches(&fleet->children[i], role) && fleet->children[i].pid > 0;
    return n;
}

unsigned fleet_working(const struct fleet *fleet, const struct role *role) {
    unsigned n = 0;
    for (size_t i = 0; i < fleet->count; i++)
        n += matches(&fleet->children[i], role) && child_works(&fleet->children[i]);
    return n;
}

void fleet_view(const struct fleet *fleet, struct status_view *ret) {
    for (size_t i = 0; i < fleet->count; i++) {
        const struct child *child = &fleet->children[i];
        ret->workers += child->role == &roles[ROLE_WORKER];
        ret->schedulers += child->role == &roles[ROLE_SCHEDULER];
        ret->running += child_running(child);
        ret->restarts += child->restarts;
        if (child->waiting && !ret->waiting)
            ret->waiting = child->waiting;
        if (child->state == CHILD_PAUSED && child->pause_ms > ret->paused_ms) {
            ret->paused = child->role->name;
            ret->paused_slot = child->slot;
            ret->paused_ms = child->pause_ms;
        }
    }
    ret->workers_alive = fleet_alive(fleet, &roles[ROLE_WORKER]);
    ret->workers_working = fleet_working(fleet, &roles[ROLE_WORKER]);
    ret->schedulers_alive = fleet_alive(fleet, &roles[ROLE_SCHEDULER]);
    ret->schedulers_working = fleet_working(fleet, &roles[ROLE_SCHEDULER]);
}

json_t *fleet_json(const struct fleet *fleet) {
    json_t *list = json_array();
    int64_t now = hx_mono_ms();
    for (size_t i = 0; i < fleet->count; i++) {
        const struct child *child = &fleet->children[i];
        json_t *item =
            json_pack("{s:s,s:i,s:i,s:s,s:b}", "role", child->role->name, "slot", child->slot, "pid", (int)child->pid,
                      "state", machine_state_name(child->state), "ready", child_works(child));
        json_object_set_new(item, "waiting", child->waiting ? json_string(child->waiting) : json_null());
        json_object_set_new(item, "restarts", json_integer(child->restarts));
        json_object_set_new(item, "running", json_integer(child_running(child)));
        json_object_set_new(item, "uptime_ms", json_integer(child->pid > 0 ? now - child->started_ms : 0));
        json_array_append_new(list, item);
    }
    return list;
}
