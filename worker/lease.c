#include "common/process.h"
#include "lib/kafka/options.h"
#include "lib/ledger/schema.h"
#include "worker/audit.h"
#include "worker/run.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* This worker's row in PostgreSQL: made at the start, renewed while it lives, and the place where it learns that it was declared dead
 * or that a job is to stop. */

enum { SIGNALS_MS = 250, RETRY_MS = 1000, RENEWALS = 4 /* a lease */ };

void worker_waits(struct worker *w, const char *detail) {
    _cleanup_free_ char *server = hx_pg_server(w->side);
    hx_channel_tell(w->channel, "waiting", server, detail);
}

static void fatal(struct worker *w, const char *event, const char *why) {
    hx_error(HX_EVENT(event), "%s", why);
    hx_channel_tell(w->channel, "fatal", why, NULL);
    worker_leave(w, HX_EXIT_CONFIG);
}

static void register_again(void *user) {
    worker_register(user);
}

static void retry_registration(struct worker *w, const struct hx_pg_error *error) {
    hx_warning(HX_EVENT("postgres.lost"), "PostgreSQL: %s, retrying", error->message);
    worker_waits(w, hx_pg_error_reason(error));
    w->renew_timer = hx_timer_free(w->renew_timer);
    w->renew_timer = hx_timer_new(w->loop, register_again, w);
    hx_timer_set(w->renew_timer, RETRY_MS);
}

static void registered(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct worker *w = user;
    if (w->leaving)
        return;
    if (error) {
        retry_registration(w, error);
        return;
    }
    w->id = hx_pg_get_int4(tx, 1, 0, 0);
    atomic_store(&w->evidence->worker_id, w->id);
    w->registered = true;
    hx_info(NULL, "registered as worker %d (%s) for %zu type%s", w->id, w->label, w->handlers->n,
            w->handlers->n == 1 ? "" : "s");
    struct hx_kafka_error kafka;
    int r = worker_consume(w, &kafka);
    if (r < 0) {
        _cleanup_free_ char *why = hx_printf("%s: %s", hx_kafka_culprit(r), kafka.message);
        fatal(w, "configuration.refused", why);
        return;
    }
    worker_lease_start(w);
    worker_take_start(w);
    hx_channel_tell(w->channel, "ready", NULL, NULL);
}

static int64_t at_most(const struct worker *w, int64_t told_ms) {
    int64_t configured = hx_config_int(w->config, HX_WORKER_LEASE);
    return told_ms ? HX_MIN(configured, told_ms) : configured;
}

static int64_t lease_ms(const struct worker *w) {
    return at_most(w, w->lease_ms);
}

/* What holds when the answer to the next renewal is here. */
static int64_t lease_to_tell_ms(const struct worker *w) {
    return at_most(w, w->lease_told_ms);
}

static void enroll(struct worker *w) {
    char host[33], boot[33], hostname[256] = "";
    hx_machine_id(host);
    hx_boot_id(boot);
    gethostname(hostname, sizeof hostname - 1);
    struct hx_worker_info info = { .host = host,
                                   .hostname = hostname,
                                   .instance = w->instance,
                                   .boot_id = boot,
                                   .version = HX_VERSION,
                                   .slot = w->slot,
                                   .pid = getpid(),
                                   .lease_ms = lease_ms(w),
                                   .incarnation = w->incarnation,
                                   .types = w->handlers->types,
                                   .type_count = w->handlers->n };
    struct hx_type_info *types = handlers_infos(w->handlers);
    struct hx_pg_tx *tx = hx_pg_tx_new("register");
    w->renewed_boot_ms = hx_boot_ms();
    hx_ledger_register_types(tx, types, w->handlers->n);
    hx_ledger_register_worker(tx, &info);
    handlers_infos_free(types, w->handlers->n);
    hx_pg_submit(w->side, tx, 0, registered, w);
}

static void schema_read(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct worker *w = user;
    if (w->leaving)
        return;
    if (error && error->class != HX_PG_SCHEMA) {
        retry_registration(w, error);
        return;
    }
    const char *found = !error && hx_pg_rows(tx, 0) ? hx_pg_get_text(tx, 0, 0, 0, NULL) : NULL;
    if (hx_streq(found, hx_schema_head())) {
        enroll(w);
        return;
    }
    _cleanup_free_ char *why = hx_schema_complaint(found);
    fatal(w, "schema.refused", why);
}

void worker_register(struct worker *w) {
    struct hx_pg_tx *tx = hx_pg_tx_new("schema");
    hx_ledger_schema(tx);
    hx_pg_submit(w->side, tx, 0, schema_read, w);
}

/* --- the lease --- */

bool worker_lease_held(const struct worker *w) {
    return hx_boot_ms() - w->renewed_boot_ms < lease_ms(w);
}

/* What runs may finish: PostgreSQL may be away for everybody, and the fence guards what the runs write. */
static void say_lapsed(struct worker *w) {
    static const char why[] = "the lease could not be renewed, starting nothing new";
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "lease.lapsed";
    w->lapsed = true;
    hx_warning(&ctx, "%s", why);
    worker_waits(w, why);
}

static void say_held(struct worker *w) {
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "lease.renewed";
    w->lapsed = false;
    hx_notice(&ctx, "the lease is renewed, going on");
    hx_channel_tell(w->channel, "ready", NULL, NULL);
}

/* Declared dead: others may run our jobs already. Nothing here may go on. */
static void disowned(struct worker *w) {
    hx_error(HX_EVENT("worker.disowned"), "this worker was declared dead, ending what it runs");
    worker_leave(w, HX_EXIT_TRY_AGAIN);
}

static void renewed(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct worker *w = user;
    w->renew_busy = false;
    if (w->leaving)
        return;
    if (!error)
        w->lease_ms = w->lease_told_ms;
    hx_timer_set(w->renew_timer, error ? HX_MIN(lease_ms(w) / RENEWALS, (int64_t)RETRY_MS) : lease_ms(w) / RENEWALS);
    if (error) { /* the connection says so itself */
        if (!w->lapsed && !worker_lease_held(w))
            say_lapsed(w);
        return;
    }
    if (!hx_pg_get_bool(tx, 0, 0, 0)) {
        disowned(w);
        return;
    }
    w->heard_ms = hx_mono_ms();
    w->renewed_boot_ms = w->renewing_boot_ms;
    if (w->lapsed && worker_lease_held(w))
        say_held(w);
    if (++w->renewals % RENEWALS == 0)
        audit_want(w);
}

static void renew(void *user) {
    struct worker *w = user;
    if (w->renew_busy)
        return;
    w->renew_busy = true;
    w->renewing_boot_ms = hx_boot_ms();
    struct hx_pg_tx *tx = hx_pg_tx_new("renew");
    hx_ledger_renew(tx, w->id, (int32_t)(w->builtin_running + w->slots_running), lease_to_tell_ms(w));
    hx_pg_submit(w->side, tx, lease_ms(w) / RENEWALS, renewed, w);
}

/* It counts from the next renewal on: by that measure the last one may have been too long ago, which nobody minded then. */
void worker_lease_shorten(struct worker *w, int64_t lease_ms) {
    w->lease_told_ms = w->lease_told_ms ? HX_MIN(w->lease_told_ms, lease_ms) : lease_ms;
    if (w->registered)
        hx_timer_set(w->renew_timer, 0);
    else
        w->lease_ms = w->lease_told_ms;
}

/* --- cancellations --- */

static void forget_signal(struct worker *w, const struct hx_uuid *id) {
    struct hx_pg_tx *tx = hx_pg_tx_new("answer");
    hx_ledger_answered(tx, w->id, id, 1);
    hx_pg_submit(w->side, tx, 0, NULL, NULL);
}

static void signalled(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct worker *w = user;
    w->signal_busy = false;
    if (w->leaving)
        return;
    if (!error)
        w->heard_ms = hx_mono_ms();
    for (int row = 0; !error && row < hx_pg_rows(tx, 0); row++) {
        struct hx_uuid id = hx_pg_get_uuid(tx, 0, row, 0);
        struct run *run = run_find(w, &id);
        HX_FAIL_HERE("cancel.seen");
        if (run)
            run_stop(run, STOP_CANCEL, hx_pg_get_text(tx, 0, row, 1, NULL));
        else if (!w->flights && !w->doubts)
            forget_signal(w, &id); /* not ours any more: whoever ended it came first */
    }
    hx_timer_set(w->signal_timer, SIGNALS_MS);
}

/* Asks only while something runs: an idle worker has nothing to stop. */
static void look_for_signals(void *user) {
    struct worker *w = user;
    if (w->signal_busy || !(w->builtin_running + w->slots_running)) {
        hx_timer_set(w->signal_timer, SIGNALS_MS);
        return;
    }
    w->signal_busy = true;
    struct hx_pg_tx *tx = hx_pg_tx_new("signals");
    hx_ledger_signals(tx, w->id);
    hx_pg_submit(w->side, tx, 0, signalled, w);
}

void worker_lease_start(struct worker *w) {
    w->renew_timer = hx_timer_free(w->renew_timer);
    w->renew_timer = hx_timer_new(w->loop, renew, w);
    w->signal_timer = hx_timer_new(w->loop, look_for_signals, w);
    hx_timer_set(w->renew_timer, lease_ms(w) / RENEWALS);
    hx_timer_set(w->signal_timer, SIGNALS_MS);
}
