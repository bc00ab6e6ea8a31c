#include "supervisor/supervisor.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/mark.h"
#include "common/process.h"
#include "common/text.h"
#include "lib/notify/notify.h"
#include "supervisor/instance.h"
#include "supervisor/leftovers.h"
#include "supervisor/settings.h"
#include "supervisor/state.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { TICK_MAX_MS = 500, STATUS_MS = 1000, EXTRA_STOP_MS = 10 * 1000 };

/* ---- deaths ---- */

static void tell_schedulers(struct supervisor *s) {
    for (size_t i = 0; i < s->fleet.count; i++) {
        struct child *child = s->fleet.children[i];
        if (child->role->reaps && child->channel && child_works(child))
            deaths_tell(s->deaths, child->channel);
    }
}

static bool knows_pid(pid_t pid, void *user) {
    struct supervisor *s = user;
    return fleet_has_pid(&s->fleet, pid) || (s->guard && guard_pid(s->guard) == pid);
}

static void on_cleared_death(const struct death *d, void *user) {
    struct supervisor *s = user;
    guard_drop(s->guard, d->generation);
}

static void on_orphans_clear(void *user) {
    struct supervisor *s = user;
    deaths_clear(s->deaths, on_cleared_death, s);
    tell_schedulers(s);
    stop_advance(&s->stop);
}

static void begin_stop(struct supervisor *s) {
    HX_FAIL_HERE("supervisor.before_stop");
    reload_cancel(s);
    report_stopping(s);
    hx_notify_extend_timeout(s->setup->host.drain_ms + EXTRA_STOP_MS);
    stop_begin(&s->stop);
}

/* Starting again doesn't help against a wrong configuration, and whoever starts us should know at once. Later on a fleet that has
 * worked doesn't give up. */
static void heed_configuration(struct supervisor *s, const struct death *d) {
    if (s->ready || s->stop.phase != STOP_NOT || !death_exited(d, HX_EXIT_CONFIG))
        return;
    s->exit_code = HX_EXIT_CONFIG;
    hx_error(HX_EVENT("configuration.refused"), "%s %d can't work with this configuration: %s", d->role, d->slot,
             d->why ? d->why : "it does not say why");
    begin_stop(s);
}

/* ---- children ---- */

static void on_start(struct child *child, void *user) {
    struct supervisor *s = user;
    guard_hold(s->guard, child->generation, child->pid, child->evidence_fd, child->host->still_ms);
}

static void on_change(struct child *child, void *user) {
    struct supervisor *s = user;
    if (child->role->reaps)
        tell_schedulers(s);
    reload_poke(s);
    report_status(s);
}

static void on_answer(struct child *child, int64_t death, void *user) {
    struct supervisor *s = user;
    (void)child;
    deaths_answered(s->deaths, death);
    stop_advance(&s->stop);
}

static void on_channel_end(const struct hx_channel *channel, void *user) {
    struct supervisor *s = user;
    deaths_scheduler_gone(s->deaths, channel);
}

static void on_death(struct child *child, struct death *death, void *user) {
    struct supervisor *s = user;
    deaths_add(s->deaths, death);
    orphans_sweep(s->orphans);
    if (!reload_heed_death(s, child, death))
        heed_configuration(s, death);
    reload_poke(s);
    tell_schedulers(s); /* the dead one may have been a scheduler with unanswered deaths */
    report_status(s);
    stop_advance(&s->stop);
}

static void on_guard_gone(void *user) {
    struct supervisor *s = user;
    stop_advance(&s->stop);
}

/* ---- time ---- */

static int64_t tick_ms(const struct supervisor *s) {
    return HX_MIN(s->setup->host.still_ms / 4, (int64_t)TICK_MAX_MS);
}

/* After we were stopped ourselves, or the machine was, every pulse has stood still: that is nobody's fault. */
static void on_tick(void *user) {
    struct supervisor *s = user;
    int64_t now = hx_mono_ms();
    bool late = now - s->ticked_ms > 2 * tick_ms(s) + s->setup->host.still_ms / 4;
    s->ticked_ms = now;
    for (size_t i = 0; i < s->fleet.count; i++)
        if (late)
            child_forgive(s->fleet.children[i], now);
        else
            child_check_pulse(s->fleet.children[i], now);
    fleet_bury(&s->fleet);
    if (now - s->status_ms >= STATUS_MS)
        report_status(s);
    hx_timer_set(s->tick_timer, tick_ms(s));
}

static void on_watchdog(void *user) {
    struct supervisor *s = user;
    hx_notify_watchdog();
    hx_timer_set(s->watchdog_timer, hx_notify_watchdog_interval_ms());
}

static void on_heartbeat(void *user) {
    struct supervisor *s = user;
    report_heartbeat(s);
    hx_timer_set(s->heartbeat_timer, hx_config_int(s->setup->config, HX_LOG_HEARTBEAT));
}

/* ---- signals ---- */

/* Without systemd the operator may be of our own user, gone already like kill(1), or a script that started us and other things. */
static bool from_a_handler(const struct supervisor *s, int signo, const struct hx_sender *sender) {
    pid_t child = hx_sender_child(sender);
    if (!s->is_service && !fleet_has_pid(&s->fleet, child))
        child = 0;
    return hx_sender_refused(sender, signo, child);
}

static void on_end_signal(int signo, const struct hx_sender *sender, void *user) {
    struct supervisor *s = user;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    if (from_a_handler(s, signo, sender))
        return;
    ctx.event = "stopping";
    if (s->stop.phase == STOP_NOT) {
        hx_notice(&ctx, "SIG%s: stopping; another one doesn't wait for running jobs", sigabbrev_np(signo));
        begin_stop(s);
    } else if (stop_hasten(&s->stop)) {
        hx_warning(&ctx, "SIG%s again: %s", sigabbrev_np(signo),
                   s->stop.haste == STOP_CUT ? "killing workers with what runs" : "killing what runs");
    }
}

static void on_hup(int signo, const struct hx_sender *sender, void *user) {
    struct supervisor *s = user;
    if (from_a_handler(s, signo, sender))
        return;
    hx_notice(HX_EVENT("reload"), "SIGHUP: reading the configuration again");
    reload_ask(s);
}

/* ---- life ---- */

static int take_signals(struct supervisor *s) {
    int r = hx_loop_new(&s->loop);
    if (r == 0)
        r = hx_loop_signal(s->loop, SIGTERM, on_end_signal, s);
    if (r == 0)
        r = hx_loop_signal(s->loop, SIGINT, on_end_signal, s);
    if (r == 0)
        r = hx_loop_signal(s->loop, SIGHUP, on_hup, s);
    if (r == 0 && sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL) < 0)
        r = -errno;
    if (r == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        r = -errno;
    if (r < 0)
        hx_complain("event loop: %s", strerror(-r));
    return r < 0 ? HX_EXIT_SOFTWARE : 0;
}

static int take_control(struct supervisor *s, const struct hx_config *config) {
    struct control_error error;
    int r = control_new(s->loop, hx_config_string(config, HX_SUPERVISOR_CONTROL_SOCKET), report_request, s, &s->control,
                        &error);
    if (r == 0)
        return 0;
    hx_complain("supervisor.control_socket: %s", error.message);
    switch (r) {
    case -EWOULDBLOCK: return HX_EXIT_TRY_AGAIN;
    case -EACCES:
    case -EPERM:
    case -EROFS: return HX_EXIT_NOT_PERMITTED;
    default: return HX_EXIT_CONFIG;
    }
}

/* Try again later: a standby of the same name is well, and starts when this one is gone. */
static int take_instance(struct supervisor *s, const struct hx_config *config) {
    s->instance = settings_instance(config);
    int r = instance_take(s->instance, &s->instance_fd);
    if (r < 0)
        hx_complain("service.instance: %s: %s", s->instance,
                    r == -EADDRINUSE ? "another supervisor on this host has this name" : strerror(-r));
    return r == 0 ? 0 : r == -EADDRINUSE ? HX_EXIT_TRY_AGAIN : HX_EXIT_SOFTWARE;
}

/* Takes config over. */
static int make_setup(struct supervisor *s, struct hx_config *config, const char *bin_dir) {
    const struct hx_uuid run = hx_uuid_v4();
    s->cgroups = cgroups_new();
    hx_uuid_format(&run, s->incarnation);
    s->common = (struct setup_common){
        .bin_dir = bin_dir,
        .instance = s->instance,
        .incarnation = s->incarnation,
        .host = { .loop = s->loop,
                  .cgroups = s->cgroups,
                  .on_start = on_start,
                  .on_change = on_change,
                  .on_answer = on_answer,
                  .on_channel_end = on_channel_end,
                  .on_death = on_death,
                  .user = s },
    };
    int r = setup_new(config, &s->common, &s->setup);
    if (r < 0)
        hx_complain("/proc/self/exe: %s", strerror(-r));
    return r < 0 ? HX_EXIT_SOFTWARE : 0;
}

static void make_parts(struct supervisor *s) {
    s->deaths = deaths_new(s->cgroups);
    s->orphans = orphans_new(s->loop, s->deaths, knows_pid, on_orphans_clear, s);
    fleet_init(&s->fleet, &s->setup->host, s->setup->config);
    s->tick_timer = hx_timer_new(s->loop, on_tick, s);
    s->watchdog_timer = hx_timer_new(s->loop, on_watchdog, s);
    s->heartbeat_timer = hx_timer_new(s->loop, on_heartbeat, s);
    reload_init(s);
}

int supervisor_new(struct hx_config *config, const char *bin_dir, struct supervisor **ret) {
    struct supervisor *s = hx_alloc(sizeof(*s));
    s->instance_fd = -1;
    s->is_service = hx_notify_is_heard();
    int r = take_signals(s);
    if (r == 0)
        r = take_control(s, config);
    if (r == 0)
        r = take_instance(s, config);
    if (r == 0)
        r = make_setup(s, HX_TAKE(config), bin_dir);
    if (r != 0) {
        hx_config_free(config);
        supervisor_free(s);
        return r;
    }
    make_parts(s);
    *ret = s;
    return 0;
}

void supervisor_use_setup(struct supervisor *s) {
    const struct hx_config *config = s->setup->config;
    int64_t heartbeat = hx_config_int(config, HX_LOG_HEARTBEAT);
    settings_start_log(config);
    guard_set_launch(s->guard, s->setup->launch);
    s->stop.patience_ms =
        hx_config_int(config, HX_SUPERVISOR_DRAIN_TIMEOUT) + hx_config_int(config, HX_JOBS_KILL_GRACE);
    if (heartbeat > 0)
        hx_timer_set(s->heartbeat_timer, heartbeat);
    else
        hx_timer_clear(s->heartbeat_timer);
}

int supervisor_run(struct supervisor *s) {
    report_start(s);
    const char *control_socket = hx_config_string(s->setup->config, HX_SUPERVISOR_CONTROL_SOCKET);
    size_t left = leftovers_kill(control_socket);
    if (left > 0)
        hx_notice(HX_EVENT("leftovers.ended"), "ended %zu handlers that an earlier supervisor left behind", left);
    s->guard = guard_new(s->loop, s->setup->launch, hx_mark_of_fleet(control_socket, hx_pid_namespace(0)),
                         cgroups_fd(s->cgroups), on_guard_gone, s);
    s->stop = (struct stop){
        .loop = s->loop,
        .fleet = &s->fleet,
        .deaths = s->deaths,
        .orphans = s->orphans,
        .guard = s->guard,
    };
    stop_init(&s->stop);
    supervisor_use_setup(s);
    fleet_event(&s->fleet, NULL, CHILD_START);
    report_status(s);
    s->ticked_ms = hx_mono_ms();
    hx_timer_set(s->tick_timer, tick_ms(s));
    if (hx_notify_watchdog_interval_ms() > 0)
        hx_timer_set(s->watchdog_timer, 0);
    int r = hx_loop_run(s->loop);
    HX_FAIL_HERE("supervisor.after_stop");
    if (r < 0) {
        hx_error(NULL, "event loop: %s", strerror(-r));
        return HX_EXIT_SOFTWARE; /* children and guard see us go */
    }
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "stopped";
    hx_info(&ctx, "stopped");
    return s->exit_code;
}

struct supervisor *supervisor_free(struct supervisor *s) {
    if (!s)
        return NULL;
    fleet_reset(&s->fleet);
    stop_reset(&s->stop);
    guard_free(s->guard);
    orphans_free(s->orphans);
    deaths_free(s->deaths);
    cgroups_free(s->cgroups);
    reload_reset(s);
    setup_free(s->setup);
    control_free(s->control);
    hx_timer_free(s->tick_timer);
    hx_timer_free(s->watchdog_timer);
    hx_timer_free(s->heartbeat_timer);
    hx_loop_free(s->loop);
    if (s->instance_fd >= 0)
        close(s->instance_fd);
    free(s->status);
    free(s->instance);
    free(s);
    return NULL;
}
