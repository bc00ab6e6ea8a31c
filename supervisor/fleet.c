#include "supervisor/fleet.h"

#include "common/clock.h"
#include "common/text.h"

int fleet_wanted(const struct role *role, const struct hx_config *config) {
    return (int)hx_config_int(config, role->count);
}

struct child *fleet_add(struct fleet *fleet, const struct child_host *host, const struct role *role, int slot,
                        enum child_place place) {
    if (fleet->count == fleet->room) {
        fleet->room = HX_MAX(2 * fleet->room, (size_t)8);
        fleet->children = hx_realloc(fleet->children, fleet->room * sizeof(struct child *));
    }
    struct child *child = hx_alloc(sizeof(*child));
    child_init(child, host, role, slot);
    child->place = place;
    fleet->children[fleet->count++] = child;
    return child;
}

void fleet_init(struct fleet *fleet, const struct child_host *host, const struct hx_config *config) {
    for (size_t r = 0; r < ROLES; r++)
        for (int slot = 0; slot < fleet_wanted(&roles[r], config); slot++)
            fleet_add(fleet, host, &roles[r], slot, CHILD_IN_PLACE);
}

static void free_child(struct child *child) {
    child_reset(child);
    free(child);
}

void fleet_reset(struct fleet *fleet) {
    for (size_t i = 0; i < fleet->count; i++)
        free_child(fleet->children[i]);
    free(fleet->children);
    *fleet = (struct fleet){ 0 };
}

static bool matches(const struct child *child, const struct role *role) {
    return !role || child->role == role;
}

void fleet_event(struct fleet *fleet, const struct role *role, enum child_event event) {
    for (size_t i = 0; i < fleet->count; i++)
        if (matches(fleet->children[i], role))
            child_event(fleet->children[i], event);
}

struct child *fleet_find(const struct fleet *fleet, const struct role *role, int slot, enum child_place place) {
    for (size_t i = 0; i < fleet->count; i++) {
        struct child *child = fleet->children[i];
        if (matches(child, role) && child->slot == slot && child->place == place)
            return child;
    }
    return NULL;
}

/* ---- one configuration after the other ---- */

void fleet_rehost(struct fleet *fleet, const struct child_host *host) {
    for (size_t i = 0; i < fleet->count; i++)
        fleet->children[i]->host = host;
}

void fleet_retire(struct child *child) {
    child->place = CHILD_LEAVING;
    child_event(child, CHILD_RETIRE);
}

void fleet_take_over(struct fleet *fleet, struct child *coming) {
    struct child *old = fleet_find(fleet, coming->role, coming->slot, CHILD_IN_PLACE);
    coming->place = CHILD_IN_PLACE;
    if (old)
        fleet_retire(old);
}

static bool has_left(const struct child *child) {
    return child->place == CHILD_LEAVING && child->state == CHILD_DOWN;
}

void fleet_bury(struct fleet *fleet) {
    size_t kept = 0;
    for (size_t i = 0; i < fleet->count; i++)
        if (has_left(fleet->children[i]))
            free_child(fleet->children[i]);
        else
            fleet->children[kept++] = fleet->children[i];
    fleet->count = kept;
}

/* ---- what there is ---- */

bool fleet_has_pid(const struct fleet *fleet, pid_t pid) {
    for (size_t i = 0; i < fleet->count; i++)
        if (fleet->children[i]->pid == pid && pid > 0)
            return true;
    return false;
}

unsigned fleet_alive(const struct fleet *fleet, const struct role *role) {
    unsigned n = 0;
    for (size_t i = 0; i < fleet->count; i++)
        n += matches(fleet->children[i], role) && fleet->children[i]->pid > 0;
    return n;
}

unsigned fleet_working(const struct fleet *fleet, const struct role *role) {
    unsigned n = 0;
    for (size_t i = 0; i < fleet->count; i++)
        n += matches(fleet->children[i], role) && fleet->children[i]->place == CHILD_IN_PLACE &&
             child_works(fleet->children[i]);
    return n;
}

static void view_in_place(const struct child *child, struct status_view *ret) {
    ret->workers += child->role == &roles[ROLE_WORKER];
    ret->schedulers += child->role == &roles[ROLE_SCHEDULER];
    ret->restarts += child->restarts;
    if (child->waiting && (!ret->waiting || child->waiting_ms < ret->waiting_ms)) {
        ret->waiting = child->waiting;
        ret->detail = child->detail;
        ret->waiting_ms = child->waiting_ms;
    }
    if (child->without && (!ret->without || child->without_ms < ret->without_ms)) {
        ret->without = child->without;
        ret->without_ms = child->without_ms;
    }
    if (child->state == CHILD_PAUSED && child->pause_ms > ret->paused_ms) {
        ret->paused = child->role->name;
        ret->paused_slot = child->slot;
        ret->paused_ms = child->pause_ms;
    }
}

void fleet_view(const struct fleet *fleet, struct status_view *ret) {
    for (size_t i = 0; i < fleet->count; i++) {
        const struct child *child = fleet->children[i];
        ret->running += child_running(child);
        if (child->place == CHILD_IN_PLACE)
            view_in_place(child, ret);
        else if (child->place == CHILD_LEAVING && child->role == &roles[ROLE_WORKER])
            ret->workers_leaving += child->pid > 0;
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
        const struct child *child = fleet->children[i];
        if (has_left(child))
            continue;
        json_t *item =
            json_pack("{s:s,s:i,s:i,s:s,s:b}", "role", child->role->name, "slot", child->slot, "pid", (int)child->pid,
                      "state", machine_state_name(child->state), "ready", child_works(child));
        _cleanup_buf_ struct hx_buf waiting = { 0 };
        child_waits_for(child, &waiting);
        json_object_set_new(item, "waiting", child->waiting ? json_string(waiting.data) : json_null());
        json_object_set_new(item, "restarts", json_integer(child->restarts));
        json_object_set_new(item, "running", json_integer(child_running(child)));
        json_object_set_new(item, "uptime_ms", json_integer(child->pid > 0 ? now - child->started_ms : 0));
        json_array_append_new(list, item);
    }
    return list;
}
