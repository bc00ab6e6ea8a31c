#include "worker/worker.h"

#include "common/mark.h"
#include "common/process.h"
#include "worker/alone.h"
#include "worker/aside.h"
#include "worker/audit.h"
#include "worker/exec.h"
#include "worker/flight.h"
#include "worker/mock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* A job's way through a worker. Each step has a file of its own name:
 *
 *   poll      Kafka announces ids; `waiting` has more (take.c). They are candidates, nobody's yet.   poll.c, backlog.c
 *   claim     queued -> running in PostgreSQL, for as many as can start at once.                     claim.c
 *   run       a builtin at once, a program as a child; in the meantime the loop goes on.             run.c, mock.c, exec.c
 *   complete  what it came to, under the claim's fence.                                              complete.c, outcome.c
 *
 * Completion of the last batch and claim of the next share one transaction (flight.c). While it is on its way, more of both gathers:
 * that is what makes batches large under load and small when there is none. */

/* How many transactions may be in flight. While a bad value is looked for, or a completion is to go alone, it is one: another's success
 * would end both too early. */
static unsigned flights_allowed(const struct worker *w) {
    return w->claims_skipped || w->tell_singly || w->outcome_limit < worker_batch(w) ? 1 : FLIGHTS;
}

/* The next transaction: what ended, then what can start. */
static void send_next(struct worker *w) {
    if (!w->registered || audit_step(w) || w->flights >= flights_allowed(w) || w->doubts ||
        (w->work_pause && hx_timer_armed(w->work_pause)))
        return;
    struct hx_pg_tx *tx = hx_pg_tx_new("work");
    struct flight *f = flight_new(w);
    flight_fill(f, tx);
    if (flight_empty(f)) {
        flight_free(f);
        hx_pg_tx_free(tx);
    } else {
        flight_send(f, tx); /* its callback runs what was claimed */
    }
}

/* Before each wait for events. */
static void tick(void *user) {
    struct worker *w = user;
    if (w->leaving)
        return;
    atomic_fetch_add(&w->evidence->pulse, 1);
    atomic_store(&w->evidence->pulse_boot_ms, hx_boot_ms());
    atomic_store(&w->evidence->running, (uint32_t)(w->builtin_running + w->slots_running));
    if (w->strays_due)
        exec_kill_strays(w);
    worker_poll(w);
    alone_step(w);
    send_next(w);
    if (w->draining)
        worker_drain_step(w);
}

size_t worker_batch(const struct worker *w) {
    return (size_t)hx_config_int(w->config, HX_WORKER_BATCH);
}

size_t worker_slots(const struct worker *w) {
    return (size_t)hx_config_int(w->config, HX_WORKER_SLOTS);
}

void worker_leave(struct worker *w, int exit_code) {
    w->exit_code = exit_code;
    w->leaving = true;
    hx_loop_stop(w->loop);
}

/* Without a supervisor the operator may be of our own user, and gone already like kill(1). */
static bool from_a_handler(const struct worker *w, int signo, const struct hx_sender *sender) {
    pid_t kin = w->channel ? hx_sender_kin(sender) : HX_MAX(hx_sender_child(sender), 0);
    return hx_sender_refused(sender, signo, kin);
}

/* Once more means hurry, unless there is a supervisor to say so: it may have been meant for the whole control group. */
static void asked_to_stop(int signo, const struct hx_sender *sender, void *user) {
    struct worker *w = user;
    if (from_a_handler(w, signo, sender) || (signo == SIGHUP && w->channel)) /* a reload is the supervisor's business */
        return;
    if (w->draining && !w->channel)
        worker_hurry(w);
    else
        worker_drain(w);
}

static void pulse(void *user) {
    struct worker *w = user;
    worker_park(w);
    hx_timer_set(w->pulse, 1000);
}

static void heartbeat(void *user) {
    struct worker *w = user;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "heartbeat";
    ctx.worker = w->label;
    hx_info(&ctx, "%zu running, %zu waiting to be claimed, %llu done", w->builtin_running + w->slots_running,
            backlog_builtin(w->backlog) + backlog_slotted(w->backlog), (unsigned long long)w->done);
    int64_t pause = hx_config_int(w->config, HX_LOG_HEARTBEAT);
    if (pause)
        hx_timer_set(w->heartbeat, pause);
}

/* A child of ours that nobody waits for: a handler left it behind, and it may have left some itself. */
static void orphan(pid_t pid, int status, const struct rusage *usage, void *user) {
    struct worker *w = user;
    (void)pid, (void)status, (void)usage;
    w->strays_due = true;
}

static void connection(struct hx_pg *pg, bool connected, const struct hx_pg_error *why, void *user) {
    struct worker *w = user;
    if (w->leaving || pg != w->side || !w->registered)
        return;
    if (connected) {
        hx_notice(HX_EVENT("postgres.back"), "PostgreSQL is back");
        if (!w->lapsed) /* else the renewal says it */
            hx_channel_tell(w->channel, "ready", NULL, NULL);
    } else {
        hx_warning(HX_EVENT("postgres.lost"), "PostgreSQL: %s, retrying", why ? why->message : "connection lost");
        worker_waits(w, why ? hx_pg_error_reason(why) : "connection lost");
    }
}

/* After an outage for all, nobody's lease may run out between two attempts: others count it from when they are back themselves. */
static int64_t reconnect_pause_ms(const struct worker *w) {
    enum { LONGEST_MS = 5000 };
    return HX_MIN(hx_config_int(w->config, HX_WORKER_LEASE) / 4, (int64_t)LONGEST_MS);
}

static int connect_one(struct worker *w, const char *name, struct hx_pg **ret) {
    struct hx_pg_options options = { .application_name = name,
                                     .timeout_ms = hx_config_int(w->config, HX_POSTGRES_TIMEOUT),
                                     .pause_max_ms = reconnect_pause_ms(w),
                                     .depth = FLIGHTS,
                                     .no_prepare = !hx_config_int(w->config, HX_POSTGRES_PREPARED_STATEMENTS) };
    hx_config_postgres(w->config, &options.keywords, &options.values);
    return hx_pg_new(w->loop, &options, connection, w, ret);
}

/* `work` has a name of its own: after a break PostgreSQL is asked whether the old backend lives, and a pid alone may be another's by
 * then, in a container even soon. */
static int connect_both(struct worker *w) {
    char run[HX_UUID_SIZE];
    hx_uuid_format(&w->incarnation, run);
    _cleanup_free_ char *name = hx_printf("heimdex-worker-%d-%.8s", w->slot, run);
    int r = connect_one(w, name, &w->work);
    return r < 0 ? r : connect_one(w, "heimdex-worker-side", &w->side);
}

/* A supervisor that starts ends what bears its fleet's mark: not what a worker without a supervisor runs. */
static void choose_mark(struct worker *w) {
    const char *fleet = w->channel ? hx_config_string(w->config, HX_SUPERVISOR_CONTROL_SOCKET) : "";
    w->mark = hx_mark_of_worker(hx_mark_of_fleet(fleet, hx_pid_namespace(0)), getpid());
}

static int start(struct worker *w) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    choose_mark(w);
    hx_loop_signal(w->loop, SIGTERM, asked_to_stop, w);
    hx_loop_signal(w->loop, SIGINT, asked_to_stop, w);
    hx_loop_signal(w->loop, SIGHUP, asked_to_stop, w);
    hx_loop_set_orphan(w->loop, orphan, w);
    hx_loop_set_prepare(w->loop, tick, w);
    w->handlers = handlers_new(w->config);
    w->backlog = backlog_new(w->handlers);
    w->progress = hx_progress_new();
    w->credentials = hx_hidden_new(getenv("CREDENTIALS_DIRECTORY"));
    w->plain_detail = mock_plain_detail(w->label);
    w->outcome_limit = worker_batch(w);
    w->pulse = hx_timer_new(w->loop, pulse, w);
    hx_timer_set(w->pulse, 1000);
    w->heartbeat = hx_timer_new(w->loop, heartbeat, w);
    int64_t pause = hx_config_int(w->config, HX_LOG_HEARTBEAT);
    if (pause)
        hx_timer_set(w->heartbeat, pause);
    return connect_both(w);
}

/* Whatever still runs is killed; its rows are the reaper's, with the evidence. */
static void end(struct worker *w) {
    w->leaving = true;
    w->consumer = hx_consumer_close(w->consumer, w->cut_short ? 200 : 1000);
    w->work = hx_pg_free(w->work);
    w->side = hx_pg_free(w->side);
    aside_free_all(w);
    for (struct run *run = w->runs, *next; run; run = next) {
        next = run->next;
        run->evidence = NULL; /* it stays as it is */
        run_free(run);
    }
    w->backlog = backlog_free(w->backlog);
    w->progress = hx_progress_free(w->progress);
    w->handlers = handlers_free(w->handlers);
    w->credentials = hx_hidden_free(w->credentials);
    hx_timer_free(w->take_timer);
    hx_timer_free(w->renew_timer);
    hx_timer_free(w->signal_timer);
    hx_timer_free(w->heartbeat);
    hx_timer_free(w->drain_timer);
    hx_timer_free(w->pulse);
    hx_timer_free(w->tasks_timer);
    hx_timer_free(w->work_pause);
    free(w->spent);
    free(w->strays);
    free(w->plain_detail);
}

int worker_run(struct worker *w) {
    w->exit_code = HX_EXIT_SOFTWARE;
    int r = start(w);
    if (r == 0) {
        worker_register(w);
        r = hx_loop_run(w->loop);
    }
    end(w);
    return r < 0 ? HX_EXIT_SOFTWARE : w->exit_code;
}
