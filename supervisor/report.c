#include "supervisor/state.h"

#include "common/clock.h"
#include "common/landlock.h"
#include "common/log.h"
#include "common/text.h"
#include "lib/config/logging.h"
#include "lib/notify/notify.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- systemd ---- */

static void view(const struct supervisor *s, struct status_view *ret) {
    *ret = (struct status_view){
        .ready = s->ready,
        .stopping = s->stop.phase != STOP_NOT,
        .reloading = s->reload.phase != RELOAD_NOT,
        .refused = reload_refusal(s),
        .now_ms = hx_mono_ms(),
    };
    fleet_view(&s->fleet, ret);
    ret->unsettled = (unsigned)deaths_unsettled(s->deaths);
}

bool report_can_work(const struct supervisor *s) {
    struct status_view v;
    view(s, &v);
    return v.workers_working > 0 && (v.schedulers == 0 || v.schedulers_working > 0);
}

/* True: *s->status is new. */
static bool refresh(struct supervisor *s, bool stopping) {
    struct hx_buf text = { 0 };
    struct status_view v;
    view(s, &v);
    v.stopping |= stopping;
    status_text(&v, &text);
    s->status_ms = hx_mono_ms();
    char *now = hx_buf_take(&text);
    bool changed = !hx_streq(now, s->status);
    free(s->status);
    s->status = now;
    return changed;
}

void report_status(struct supervisor *s) {
    bool first = !s->ready && s->stop.phase == STOP_NOT && report_can_work(s);
    s->ready |= first;
    bool changed = refresh(s, false);
    if (first) {
        hx_notify_ready(s->status);
        hx_info(HX_EVENT("ready"), "ready: %s", s->status);
    } else if (changed) {
        hx_notify_status("%s", s->status);
    }
}

void report_reloading(struct supervisor *s) {
    s->reload.announced = s->ready;
    if (s->ready)
        hx_notify_reloading();
}

void report_reloaded(struct supervisor *s) {
    refresh(s, false);
    if (s->reload.announced)
        hx_notify_ready(s->status);
    else
        hx_notify_status("%s", s->status);
}

void report_stopping(struct supervisor *s) {
    refresh(s, true);
    hx_notify_stopping(s->status);
}

/* ---- the log ---- */

/* Workers hide them from programs, as far as the kernel helps. */
static void report_credentials(void) {
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (!directory || !*directory)
        return;
    _cleanup_close_ int rules = hx_landlock_hide(directory);
    if (rules < 0 && rules != -ENOENT)
        hx_warning(HX_EVENT("credentials.readable"), "handlers can read %s: Landlock: %s", directory, strerror(-rules));
}

void report_start(const struct supervisor *s) {
    _cleanup_free_ char *sentence =
        hx_printf("starting version %s, instance %s, run %s", HX_VERSION, s->instance, s->incarnation);
    hx_config_log_starting(s->setup->config, NULL, sentence);
    if (geteuid() == 0)
        hx_warning(HX_EVENT("running.as_root"), "running as root: handlers will, too; a user of its own is safer");
    report_credentials();
    cgroups_report(s->cgroups);
    report_handlers(s);
}

void report_handlers(const struct supervisor *s) {
    size_t n;
    const struct hx_handler_config *handlers = hx_config_handlers(s->setup->config, &n);
    for (size_t i = 0; i < n; i++) {
        const char *unlimited = handlers[i].cpu_max > 0 ? cgroups_no_cpu(s->cgroups) : NULL;
        if (hx_handler_unserved(&handlers[i]))
            hx_warning(HX_EVENT("handler.unserved"), "handler %s: %s", handlers[i].type,
                       hx_handler_unserved(&handlers[i]));
        if (unlimited)
            hx_warning(HX_EVENT("handler.unserved"), "handler %s: cpu_max: not limited here: %s", handlers[i].type,
                       unlimited);
    }
}

void report_heartbeat(const struct supervisor *s) {
    _cleanup_buf_ struct hx_buf detail = { 0 };
    struct hx_log_ctx ctx = HX_LOG_CTX;
    struct status_view v;
    view(s, &v);
    hx_buf_printf(
        &detail,
        "\"workers\":%u,\"workers_ready\":%u,\"schedulers\":%u,\"schedulers_ready\":%u,\"running\":%u,\"restarts\":%u,"
        "\"deaths_unsettled\":%u",
        v.workers, v.workers_working, v.schedulers, v.schedulers_working, v.running, v.restarts, v.unsettled);
    ctx.event = "heartbeat";
    ctx.detail_json = detail.data;
    hx_info(&ctx, "%s", s->status ? s->status : "starting");
}

/* ---- operators ---- */

static json_t *refuse(const char *why) {
    return json_pack("{s:b,s:s}", "ok", false, "error", why);
}

static json_t *op_ping(struct supervisor *s, const json_t *request) {
    (void)s, (void)request;
    return json_pack("{s:b}", "ok", true);
}

static json_t *op_status(struct supervisor *s, const json_t *request) {
    (void)request;
    report_status(s); /* what is news to who asks is news to systemd, too */
    return json_pack("{s:b,s:i,s:s,s:s,s:b,s:s,s:o}", "ok", true, "pid", (int)getpid(), "instance", s->instance,
                     "incarnation", s->incarnation, "ready", report_can_work(s), "status", s->status, "children",
                     fleet_json(&s->fleet));
}

static json_t *op_restart(struct supervisor *s, const json_t *request) {
    json_int_t slot;
    if (hx_json_get_int(request, "slot", &slot) != 1)
        return refuse("restart: slot: must be the number of a worker");
    struct child *child =
        slot < 0 || slot > INT32_MAX ? NULL : fleet_find(&s->fleet, &roles[ROLE_WORKER], (int)slot, CHILD_IN_PLACE);
    if (!child)
        return refuse("restart: slot: there is no such worker");
    if (s->stop.phase != STOP_NOT)
        return refuse("restart: the fleet is stopping");
    hx_notice(NULL, "worker %d: restart asked for over the control socket", child->slot);
    child_event(child, CHILD_RESTART);
    return json_pack("{s:b}", "ok", true);
}

static json_t *op_reload(struct supervisor *s, const json_t *request) {
    (void)request;
    hx_notice(HX_EVENT("reload"), "reload asked for over the control socket");
    return reload_tell(s, reload_ask(s));
}

static json_t *op_reloaded(struct supervisor *s, const json_t *request) {
    json_int_t number;
    if (hx_json_get_int(request, "reload", &number) != 1)
        return refuse("reloaded: reload: must be the number of a reload");
    return reload_tell(s, number);
}

json_t *report_request(const json_t *request, void *user) {
    static const struct {
        const char *op;
        json_t *(*answer)(struct supervisor *s, const json_t *request);
    } ops[] = { { "ping", op_ping },
                { "status", op_status },
                { "restart", op_restart },
                { "reload", op_reload },
                { "reloaded", op_reloaded } };
    const char *op = NULL;
    if (hx_json_get_string(request, "op", &op) != 1)
        return refuse("op: is missing");
    for (size_t i = 0; i < HX_ARRAY_LEN(ops); i++)
        if (hx_streq(op, ops[i].op))
            return ops[i].answer(user, request);
    return refuse("op: is unknown");
}
