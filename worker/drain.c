#include "worker/alone.h"
#include "worker/exec.h"

/* The end of a worker's life in order: it claims nothing more, what runs may finish, for drain_timeout unless the worker was only retired,
 * then it is ended (or killed, in a hurry) and queued again, and when every outcome is written the worker signs off. */

enum {
    LAST_WORDS_MS = 300, /* for outcomes, behind kill_grace; a little later the supervisor kills us */
    HURRIED_MS = 2000,   /* for them where nothing had a grace; likewise */
    SIGN_OFF_MS = 1000,
    SILENT_MS = 1000, /* while handlers run, PostgreSQL is asked for signals several times a second */
};

/* at_once: not even what is being stopped already keeps its grace. */
static void stop_runs(struct worker *w, bool at_once) {
    for (struct run *run = w->runs, *next; run; run = next) {
        next = run->next;
        run_stop(run, STOP_DRAIN, "drain");
        if (at_once && run->exec && !run->ended)
            exec_kill(run);
    }
}

static void out_of_time(void *user) {
    struct worker *w = user;
    if (!w->cut_short) {
        w->cut_short = true;
        hx_notice(HX_EVENT("drain.timeout"), "%zu jobs still run after the drain timeout, ending them",
                  w->builtin_running + w->slots_running);
        stop_runs(w, false);
        hx_timer_set(w->drain_timer, hx_config_int(w->config, HX_JOBS_KILL_GRACE) + LAST_WORDS_MS);
    } else {
        hx_error(HX_EVENT("drain.unwritten"), "%zu outcomes could not be written in time, leaving them to the reaper",
                 w->run_count);
        worker_leave(w, HX_EXIT_TRY_AGAIN);
    }
}

void worker_retire(struct worker *w) {
    if (w->draining)
        return;
    w->draining = true;
    HX_FAIL_HERE("drain.begin");
    hx_info(HX_EVENT("drain.started"), "draining: %zu jobs running", w->builtin_running + w->slots_running);
    backlog_clear(w->backlog);
    alone_release(w, "drain");
    if (w->consumer)
        hx_consumer_leave(w->consumer); /* what runs may take hours: its partitions are others' from now on */
}

void worker_drain_within(struct worker *w, int64_t timeout_ms) {
    worker_retire(w);
    if (w->cut_short)
        return;
    if (!w->drain_timer)
        w->drain_timer = hx_timer_new(w->loop, out_of_time, w);
    hx_timer_set(w->drain_timer, timeout_ms);
}

void worker_drain(struct worker *w) {
    if (!w->drain_timer)
        worker_drain_within(w, hx_config_int(w->config, HX_SUPERVISOR_DRAIN_TIMEOUT));
}

void worker_hurry(struct worker *w) {
    worker_drain(w);
    if (w->hurried)
        return;
    w->hurried = w->cut_short = true;
    size_t running = w->builtin_running + w->slots_running;
    hx_notice(HX_EVENT("drain.timeout"), "told to hurry: killing %zu job%s that still run%s", running,
              running == 1 ? "" : "s", running == 1 ? "s" : "");
    stop_runs(w, true);
    hx_timer_set(w->drain_timer, HURRIED_MS);
}

static void signed_off(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    (void)tx, (void)error; /* a row that stays has no claims: the scheduler forgets it */
    struct worker *w = user;
    if (!w->leaving)
        worker_leave(w, HX_EXIT_OK);
}

/* The time is up, nothing runs any more, and there is nobody who would take the outcomes. */
static bool is_in_vain(const struct worker *w) {
    return w->cut_short && w->run_count && !w->builtin_running && !w->slots_running &&
           (!hx_pg_connected(w->work) || hx_mono_ms() - w->heard_ms > SILENT_MS);
}

void worker_drain_step(struct worker *w) {
    if (is_in_vain(w)) {
        hx_error(HX_EVENT("drain.unwritten"), "PostgreSQL is silent, leaving %zu outcomes to the reaper", w->run_count);
        worker_leave(w, HX_EXIT_TRY_AGAIN);
        return;
    }
    if (w->run_count || w->flights || w->doubts || w->adopting || w->spent_count || w->signing_off)
        return;
    if (!w->registered || !hx_pg_connected(w->side)) {
        worker_leave(w, HX_EXIT_OK);
        return;
    }
    hx_info(HX_EVENT("drain.ended"), "drained: nothing runs any more");
    w->signing_off = true;
    HX_FAIL_HERE("drain.before_signoff");
    struct hx_pg_tx *tx = hx_pg_tx_new("sign off");
    hx_ledger_sign_off(tx, w->id);
    hx_pg_submit(w->side, tx, SIGN_OFF_MS, signed_off, w);
}
