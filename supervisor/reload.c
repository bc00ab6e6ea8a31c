#include "supervisor/reload.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "common/text.h"
#include "supervisor/state.h"

#include <string.h>

/* PATIENCE_TRY: a child that isn't ready by then is refused. PATIENCE_ROLL: the next slot's turn comes without it. */
enum { PATIENCE_TRY_MS = 30 * 1000, PATIENCE_ROLL_MS = 5 * 1000 };

/* ---- its end ---- */

/* Takes message over. */
static void conclude(struct supervisor *s, int code, char *message) {
    struct reload *r = &s->reload;
    free(r->message);
    r->message = message;
    r->outcome = code;
    r->outcome_of = r->number;
    r->phase = RELOAD_NOT;
    hx_timer_clear(r->patience);
    hx_timer_clear(r->step);
    if (r->again)
        hx_timer_set(r->step, 0);
}

static void succeed(struct supervisor *s, const char *what) {
    struct reload *r = &s->reload;
    conclude(s, 0, hx_printf("%s%s%s", what, r->kept ? "; as before until a restart: " : "", r->kept ? r->kept : ""));
    hx_notice(HX_EVENT("reload"), "reloaded: %s", r->message);
    report_reloaded(s);
}

static void refuse(struct supervisor *s, int code, const char *why) {
    conclude(s, code, hx_strdup(why));
    hx_error(HX_EVENT("reload.refused"), "reload refused, the old configuration stays: %s", why);
    report_reloaded(s);
}

/* Those that were tried may have claimed jobs by now, so they finish like any other. */
static void leave_again(struct supervisor *s) {
    struct reload *r = &s->reload;
    fleet_rehost(&s->fleet, &s->setup->host);
    for (size_t i = 0; i < s->fleet.count; i++)
        if (s->fleet.children[i]->place == CHILD_COMING)
            fleet_retire(s->fleet.children[i]);
    r->fresh = setup_free(r->fresh);
}

/* ---- roll ---- */

static bool has_settled(const struct child *child) {
    return child->state != CHILD_STARTING || child->waiting;
}

/* It has a process of the old configuration. One that waits for its restart will have the new one. */
static bool is_old(const struct supervisor *s, const struct child *child) {
    return machine_has_process(child->state) && child->setup != s->setup->host.setup;
}

/* True when the slot has what it should. */
static bool roll_slot(struct supervisor *s, const struct role *role, int slot) {
    struct reload *r = &s->reload;
    struct child *child = fleet_find(&s->fleet, role, slot, CHILD_IN_PLACE);
    struct child *coming = fleet_find(&s->fleet, role, slot, CHILD_COMING);
    if (!coming && child && !(r->replaces && is_old(s, child)))
        return true;
    if (!coming) {
        coming = fleet_add(&s->fleet, &s->setup->host, role, slot, CHILD_COMING);
        hx_timer_set(r->patience, PATIENCE_ROLL_MS);
        child_event(coming, CHILD_START);
    }
    if (!has_settled(coming) && hx_timer_armed(r->patience))
        return false;
    hx_timer_clear(r->patience);
    fleet_take_over(&s->fleet, coming);
    return true;
}

static void retire_surplus(struct supervisor *s) {
    for (size_t i = 0; i < s->fleet.count; i++) {
        struct child *child = s->fleet.children[i];
        if (child->place == CHILD_IN_PLACE && child->slot >= fleet_wanted(child->role, s->setup->config))
            fleet_retire(child);
    }
}

static void roll(struct supervisor *s) {
    struct reload *r = &s->reload;
    for (; r->role < ROLES; r->role++, r->slot = 0)
        for (; r->slot < fleet_wanted(&roles[r->role], s->setup->config); r->slot++)
            if (!roll_slot(s, &roles[r->role], r->slot))
                return;
    retire_surplus(s);
    succeed(s, r->names.data);
}

/* ---- take ---- */

static void take(struct supervisor *s) {
    struct reload *r = &s->reload;
    struct setup *old = s->setup;
    s->setup = HX_TAKE(r->fresh);
    fleet_rehost(&s->fleet, &s->setup->host);
    supervisor_use_setup(s);
    report_handlers(s);
    setup_free(old);
    hx_timer_clear(r->patience);
    r->phase = RELOAD_ROLL;
    r->role = 0;
    r->slot = 0;
    roll(s);
}

/* ---- try ---- */

static struct child *find_unready(const struct supervisor *s) {
    for (size_t i = 0; i < s->fleet.count; i++) {
        struct child *child = s->fleet.children[i];
        if (child->place == CHILD_COMING && !child_works(child))
            return child;
    }
    return NULL;
}

static void look(struct supervisor *s) {
    struct reload *r = &s->reload;
    const struct child *unready = find_unready(s);
    if (r->unfit) {
        leave_again(s);
        refuse(s, HX_EXIT_CONFIG, r->unfit);
    } else if (!unready) {
        take(s);
    } else if (hx_timer_armed(r->patience)) {
        return;
    } else if (!report_can_work(s)) {
        take(s); /* the old one doesn't work any better */
    } else {
        _cleanup_buf_ struct hx_buf waits = { 0 };
        child_waits_for(unready, &waits);
        _cleanup_free_ char *why = hx_printf("%s %d isn't ready with it: %s", unready->role->name, unready->slot,
                                             waits.len ? waits.data : machine_state_name(unready->state));
        leave_again(s);
        refuse(s, HX_EXIT_TRY_AGAIN, why);
    }
}

/* A scheduler with a shorter lease would take workers that keep to the old one for dead. One that renews its lease more often than it has
 * to harms nobody, if nothing comes of this. */
static void shorten_leases(struct supervisor *s) {
    int64_t lease_ms = hx_config_int(s->reload.fresh->config, HX_WORKER_LEASE);
    for (size_t i = 0; i < s->fleet.count && lease_ms < hx_config_int(s->setup->config, HX_WORKER_LEASE); i++)
        if (s->fleet.children[i]->role->runs_jobs)
            child_say(s->fleet.children[i], json_pack("{s:s,s:I}", "op", "lease", "ms", (json_int_t)lease_ms));
}

static void try_out(struct supervisor *s) {
    struct reload *r = &s->reload;
    shorten_leases(s);
    r->phase = RELOAD_TRY;
    hx_timer_set(r->patience, PATIENCE_TRY_MS);
    for (size_t i = 0; i < ROLES; i++)
        if (fleet_wanted(&roles[i], r->fresh->config) > 0)
            child_event(fleet_add(&s->fleet, &r->fresh->host, &roles[i], 0, CHILD_COMING), CHILD_START);
}

bool reload_heed_death(struct supervisor *s, const struct child *child, const struct death *death) {
    struct reload *r = &s->reload;
    if (child->place != CHILD_COMING || r->phase != RELOAD_TRY)
        return child->place == CHILD_LEAVING;
    if (death_exited(death, HX_EXIT_CONFIG) && !r->unfit)
        r->unfit = hx_printf("%s %d can't work with it: %s", death->role, death->slot,
                             death->why ? death->why : "it does not say why");
    return true;
}

/* ---- read ---- */

/* 0 and r->fresh, or an exit code: then it is refused already. */
static int read_fresh(struct supervisor *s) {
    struct reload *r = &s->reload;
    struct hx_config_error error = { 0 };
    struct hx_config *config;
    _cleanup_buf_ struct hx_buf kept = { 0 };
    /* by its name, even where nobody gave one: with the file gone, the defaults would be another fleet's */
    int e = hx_config_load(hx_config_file(s->setup->config), &config, &error);
    if (e == 0 && (e = hx_config_keep_fixed(config, s->setup->config, &kept, &error)) < 0)
        hx_config_free(config);
    if (e < 0) {
        refuse(s, HX_EXIT_CONFIG, error.message);
        return HX_EXIT_CONFIG;
    }
    size_t n;
    const char *const *warnings = hx_config_warnings(config, &n);
    for (size_t i = 0; i < n; i++)
        hx_warning(HX_EVENT("reload"), "%s", warnings[i]);
    e = setup_new(config, &s->common, &r->fresh);
    if (e < 0) {
        _cleanup_free_ char *why = hx_printf("/proc/self/exe: %s", strerror(-e));
        refuse(s, HX_EXIT_SOFTWARE, why);
        return HX_EXIT_SOFTWARE;
    }
    r->kept = kept.len ? hx_buf_take(&kept) : NULL;
    return 0;
}

static void forget_last(struct reload *r) {
    hx_buf_clear(&r->names);
    free(HX_TAKE(r->kept));
    free(HX_TAKE(r->unfit));
}

static void begin(struct supervisor *s) {
    struct reload *r = &s->reload;
    r->again = false;
    r->number++;
    forget_last(r);
    report_reloading(s);
    if (read_fresh(s) != 0)
        return;
    hx_config_changes(s->setup->config, s->setup->files, r->fresh->config, r->fresh->files, NULL, &r->names);
    if (r->names.len == 0) {
        r->fresh = setup_free(r->fresh);
        succeed(s, "nothing has changed");
        return;
    }
    r->replaces = setup_differs_for_children(s->setup, r->fresh);
    hx_notice(HX_EVENT("reload"), "reloading: %s%s%s", r->names.data, r->kept ? "; as before until a restart: " : "",
              r->kept ? r->kept : "");
    if (r->replaces)
        try_out(s);
    else
        take(s);
}

/* ---- steps ---- */

static void on_step(void *user) {
    struct supervisor *s = user;
    if (s->reload.phase == RELOAD_TRY)
        look(s);
    else if (s->reload.phase == RELOAD_ROLL)
        roll(s);
    else if (s->reload.again)
        begin(s);
    report_status(s);
}

void reload_poke(struct supervisor *s) {
    if (s->reload.phase != RELOAD_NOT)
        hx_timer_set(s->reload.step, 0);
}

static const char stopping[] = "the fleet is stopping";

int64_t reload_ask(struct supervisor *s) {
    struct reload *r = &s->reload;
    if (s->stop.phase != STOP_NOT) {
        r->number++;
        conclude(s, HX_EXIT_TRY_AGAIN, hx_strdup(stopping));
        hx_notice(HX_EVENT("reload.refused"), "not reloaded: %s", stopping);
    } else if (r->phase != RELOAD_NOT || r->again) {
        r->again = true;
        return r->number + 1;
    } else {
        begin(s);
    }
    return r->number;
}

void reload_cancel(struct supervisor *s) {
    struct reload *r = &s->reload;
    if (r->phase == RELOAD_NOT && !r->again)
        return;
    if (r->phase == RELOAD_TRY)
        leave_again(s);
    r->number += r->again;
    r->again = false;
    conclude(s, HX_EXIT_TRY_AGAIN, hx_strdup(stopping));
}

/* ---- life ---- */

json_t *reload_tell(const struct supervisor *s, int64_t number) {
    const struct reload *r = &s->reload;
    if (r->outcome_of < number)
        return json_pack("{s:b,s:I,s:b}", "ok", true, "reload", (json_int_t)number, "done", false);
    return json_pack("{s:b,s:I,s:b,s:i,s:s}", "ok", true, "reload", (json_int_t)number, "done", true, "code",
                     r->outcome, "message", r->message);
}

const char *reload_refusal(const struct supervisor *s) {
    return s->reload.outcome_of && s->reload.outcome ? s->reload.message : NULL;
}

void reload_init(struct supervisor *s) {
    s->reload.step = hx_timer_new(s->loop, on_step, s);
    s->reload.patience = hx_timer_new(s->loop, on_step, s);
}

void reload_reset(struct supervisor *s) {
    struct reload *r = &s->reload;
    r->step = hx_timer_free(r->step);
    r->patience = hx_timer_free(r->patience);
    forget_last(r);
    hx_buf_reset(&r->names);
    r->fresh = setup_free(r->fresh);
    free(HX_TAKE(r->message));
}
