#include "scheduler/scheduler.h"

#include "lib/kafka/options.h"
#include "scheduler/death.h"
#include "scheduler/leases.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* What keeps the ledger moving when nobody submits and nothing runs. Each task has a file of its own name:
 *
 *   start     is the schema ours; whom did an earlier run of this fleet leave behind                   start.c
 *   relay     what submitters didn't publish goes from the outbox to Kafka                             relay.c, publish.c
 *   due       delayed jobs and retries become queued when it is their time                             due.c
 *   sweep     what stayed queued, whatever became of its announcement, is put where workers look       sweep.c, silence.c
 *   reaper    what dead workers held goes on elsewhere                                                 reaper.c, death.c
 *   lost      workers nobody has heard of for a lease are dead                                         lost.c, leases.c
 *   fold      counts are added up                                                                      fold.c
 *   upkeep    partitions ahead                                                                         upkeep.c
 *   topics    Kafka's topics                                                                           topics.c
 */

/* END_MS: well before a supervisor's patience with us ends (supervisor/roles.c). */
enum { PULSE_MS = 1000, END_MS = 1000 };

struct place {
    const struct task_kind *kind;
    bool quick; /* on the connection of what people wait for */
};

static const struct place places[] = {
    [TASK_DUE] = { &due_kind, true },    [TASK_SWEEP] = { &sweep_kind, false },   [TASK_PEEK] = { &peek_kind, false },
    [TASK_FOLD] = { &fold_kind, false }, [TASK_UPKEEP] = { &upkeep_kind, false }, [TASK_TYPES] = { &types_kind, false },
    [TASK_LOST] = { &lost_kind, false },
};
_Static_assert(HX_ARRAY_LEN(places) == PLAIN_TASKS, "a place for each task");

void scheduler_waits(struct scheduler *s, struct hx_pg *pg, const struct hx_pg_error *why) {
    _cleanup_free_ char *server = hx_pg_server(pg);
    hx_channel_tell(s->channel, "waiting", server, hx_pg_error_reason(why));
}

void scheduler_leave(struct scheduler *s, int exit_code) {
    s->exit_code = exit_code;
    s->leaving = true;
    hx_loop_stop(s->loop);
}

void scheduler_started(struct scheduler *s) {
    s->started = true;
    for (size_t i = 0; i < PLAIN_TASKS; i++)
        task_soon(s->tasks[i]);
    relay_soon(s->relay);
    hx_info(NULL, "ready");
    if (!s->lost)
        hx_channel_tell(s->channel, "ready", NULL, NULL);
}

void scheduler_heard(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    struct scheduler *s = user;
    const char *op = NULL;
    (void)channel;
    if (!message) {
        hx_error(NULL, "the supervisor is gone, ending");
        scheduler_leave(s, HX_EXIT_OK);
    } else if (hx_json_get_string(message, "op", &op) > 0 && hx_streq(op, "death")) {
        HX_FAIL_HERE("reaper.told");
        struct death *death = death_from_message(message, fd);
        if (death)
            reaper_add(s->reaper, death);
    }
    hx_close_p(&fd);
}

/* What waits for a connection needn't be waited for. */
static bool quiet(const struct hx_pg *pg) {
    return !hx_pg_connected(pg) || !hx_pg_pending(pg);
}

/* Nothing is on its way any more, or nobody would write down what becomes of it. */
static bool at_rest(const struct scheduler *s) {
    return quiet(s->quick) && quiet(s->slow) && (relay_idle(s->relay) || !hx_pg_connected(s->quick));
}

/* Before each wait for events. */
static void tick(void *user) {
    struct scheduler *s = user;
    if (s->leaving)
        return;
    atomic_fetch_add(&s->evidence->pulse, 1);
    atomic_store(&s->evidence->pulse_boot_ms, hx_boot_ms());
    if (s->ending && at_rest(s))
        scheduler_leave(s, HX_EXIT_OK);
}

static void too_late(void *user) {
    scheduler_leave(user, HX_EXIT_OK);
}

static void asked_to_stop(int signo, const struct hx_sender *sender, void *user) {
    struct scheduler *s = user;
    if (s->channel && hx_sender_refused(sender, signo, hx_sender_kin(sender)))
        return;
    HX_FAIL_HERE("scheduler.ending");
    hx_info(NULL, "ending");
    s->ending = true;
    hx_timer_set(s->end_timer, END_MS);
}

/* For STATUS=. What has nothing to send finds out that Kafka is back by looking for its topics. */
static void watch_kafka(struct scheduler *s) {
    bool cut_off = relay_cut_off(s->relay);
    if (cut_off)
        topics_doubt(s->topics);
    if (cut_off || topics_unreachable(s->topics))
        topics_look(s->topics);
    bool without = relay_silent(s->relay) || topics_unreachable(s->topics);
    if (without == s->without_kafka)
        return;
    s->without_kafka = without;
    _cleanup_free_ char *kafka = hx_printf("Kafka at %s", hx_config_string(s->config, HX_KAFKA_BROKERS));
    hx_channel_tell(s->channel, "without", without ? kafka : NULL, NULL);
}

static void pulse(void *user) {
    struct scheduler *s = user;
    watch_kafka(s);
    hx_timer_set(s->pulse, PULSE_MS);
}

static void heartbeat(void *user) {
    struct scheduler *s = user;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "heartbeat";
    ctx.worker = s->label;
    hx_info(&ctx, "%llu announcements relayed, %llu jobs woken, %llu swept, %llu workers reaped%s",
            (unsigned long long)s->relayed, (unsigned long long)s->woken, (unsigned long long)s->swept,
            (unsigned long long)s->reaped, relay_silent(s->relay) ? "; Kafka is silent" : "");
    hx_timer_set(s->heartbeat, hx_config_int(s->config, HX_LOG_HEARTBEAT));
}

static void connection(struct hx_pg *pg, bool connected, const struct hx_pg_error *why, void *user) {
    struct scheduler *s = user;
    if (s->leaving)
        return;
    if (!connected) {
        if (!s->lost)
            hx_warning(HX_EVENT("postgres.lost"), "PostgreSQL: %s, retrying", why->message);
        s->lost = true;
        leases_forget(s->leases);
        scheduler_waits(s, pg, why);
    } else if (s->lost && hx_pg_connected(s->quick) && hx_pg_connected(s->slow)) {
        s->lost = false;
        hx_notice(HX_EVENT("postgres.back"), "PostgreSQL is back");
        if (s->started)
            hx_channel_tell(s->channel, "ready", NULL, NULL);
    }
}

struct hx_kafka_options scheduler_kafka(const struct scheduler *s, const char *client_id) {
    return hx_kafka_configured(s->config, client_id);
}

static int connect_one(struct scheduler *s, const char *name, struct hx_pg **ret) {
    struct hx_pg_options options = { .application_name = name,
                                     .timeout_ms = hx_config_int(s->config, HX_POSTGRES_TIMEOUT),
                                     .no_prepare = !hx_config_int(s->config, HX_POSTGRES_PREPARED_STATEMENTS) };
    hx_config_postgres(s->config, &options.keywords, &options.values);
    return hx_pg_new(s->loop, &options, connection, s, ret);
}

static void start_timers(struct scheduler *s) {
    s->pulse = hx_timer_new(s->loop, pulse, s);
    s->heartbeat = hx_timer_new(s->loop, heartbeat, s);
    s->end_timer = hx_timer_new(s->loop, too_late, s);
    hx_timer_set(s->pulse, PULSE_MS);
    hx_timer_set(s->heartbeat, hx_config_int(s->config, HX_LOG_HEARTBEAT));
}

/* Kafka's configuration is refused: that is the operator's to mend. */
static void refuse(struct scheduler *s, const struct hx_kafka_error *error) {
    _cleanup_free_ char *why = hx_printf("Kafka: %s", error->message);
    hx_error(HX_EVENT("configuration.refused"), "%s", why);
    hx_channel_tell(s->channel, "fatal", why, NULL);
    s->exit_code = HX_EXIT_CONFIG;
}

static int start(struct scheduler *s) {
    struct hx_kafka_error error = { 0 };
    hx_loop_signal(s->loop, SIGTERM, asked_to_stop, s);
    hx_loop_signal(s->loop, SIGINT, asked_to_stop, s);
    hx_loop_set_prepare(s->loop, tick, s);
    start_timers(s);
    s->leases = leases_new();
    int r = connect_one(s, "heimdex-scheduler", &s->quick);
    if (r == 0)
        r = connect_one(s, "heimdex-scheduler-slow", &s->slow);
    if (r == 0 && (r = relay_new(s, &s->relay, &error)) < 0)
        refuse(s, &error);
    if (r == 0)
        r = topics_new(s, &s->topics);
    if (r < 0)
        return r;
    s->reaper = reaper_new(s);
    for (size_t i = 0; i < PLAIN_TASKS; i++)
        s->tasks[i] = task_new(s, places[i].quick ? s->quick : s->slow, places[i].kind);
    start_begin(s);
    return 0;
}

/* The connections first: what they still carry ends in callbacks of the rest. */
static void end(struct scheduler *s) {
    s->leaving = true;
    s->quick = hx_pg_free(s->quick);
    s->slow = hx_pg_free(s->slow);
    s->relay = relay_free(s->relay);
    s->topics = topics_free(s->topics);
    s->reaper = reaper_free(s->reaper);
    for (size_t i = 0; i < PLAIN_TASKS; i++)
        s->tasks[i] = task_free(s->tasks[i]);
    for (size_t i = 0; i < HX_ARRAY_LEN(s->begin); i++)
        s->begin[i] = task_free(s->begin[i]);
    s->leases = leases_free(s->leases);
    s->pulse = hx_timer_free(s->pulse);
    s->heartbeat = hx_timer_free(s->heartbeat);
    s->end_timer = hx_timer_free(s->end_timer);
}

int scheduler_run(struct scheduler *s) {
    s->exit_code = HX_EXIT_SOFTWARE;
    int r = start(s);
    if (r == 0)
        r = hx_loop_run(s->loop);
    if (r < 0 && s->exit_code == HX_EXIT_SOFTWARE)
        hx_error(NULL, "can't go on: %s", strerror(-r));
    end(s);
    return s->exit_code;
}

bool scheduler_has_helper(const struct scheduler *s) {
    return s->topics;
}
