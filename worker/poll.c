#include "lib/kafka/options.h"
#include "lib/kafka/record.h"
#include "worker/aside.h"

#include <stdlib.h>
#include <string.h>

/* Announcements from Kafka become candidates. A record's offset moves on when each of its ids was claimed, found taken, or parked. */

enum { READ_AT_ONCE = 256, ASIDES_MAX = 16, UNKNOWN_TOPIC = 3 /* UNKNOWN_TOPIC_OR_PARTITION */ };

/* Enough in hand to fill the next claims; more would only keep it from other workers. So is what has to be written down first: it may be
 * the whole topic's, while PostgreSQL is away. While the slots are clogged, what is read goes on
 * to PostgreSQL, in batches, so that builtins behind it in the same partitions get through. */
static bool full(const struct worker *w) {
    size_t slotted = w->clogged ? HX_MAX(worker_batch(w), 2 * worker_slots(w)) : 2 * worker_slots(w);
    return backlog_builtin(w->backlog) >= 2 * worker_batch(w) || backlog_slotted(w->backlog) >= slotted ||
           w->aside_count >= ASIDES_MAX;
}

static void part_done(struct worker *w, struct hx_in_flight *record, size_t n) {
    const char *topic;
    int32_t partition;
    int64_t next;
    if (!record || !hx_progress_done(w->progress, record, n, &topic, &partition, &next) || !w->consumer)
        return;
    HX_FAIL_HERE("offset.before_store");
    hx_consumer_store(w->consumer, topic, partition, next);
    HX_FAIL_HERE("offset.after_store");
}

void worker_settle_candidates(struct worker *w, struct candidate *c, size_t n) {
    for (size_t i = 0; i < n; i++)
        part_done(w, c[i].record, 1);
}

static void take_record(struct worker *w, const struct hx_record *r) {
    struct hx_announcement a;
    const char *why;
    if (hx_announcement_decode(r->data, r->size, &a, &why) < 0) {
        aside_record(w, r, why);
        return;
    }
    struct hx_in_flight *record = hx_progress_begin(w->progress, r->topic, r->partition, r->offset, a.count);
    const struct handler *handler = handlers_find(w->handlers, a.type);
    _cleanup_free_ struct candidate *found = hx_allocn(a.count, sizeof *found);
    for (size_t i = 0; i < a.count; i++)
        found[i] = (struct candidate){
            .id = hx_announcement_id(&a, i), .handler = handler, .record = record, .high = r->high
        };
    if (!handler)
        aside_park(w, a.type, found, a.count, "no_handler");
    for (size_t i = 0; handler && i < a.count; i++)
        backlog_add(w->backlog, &found[i]);
    HX_FAIL_HERE("poll.after_record");
}

void worker_poll(struct worker *w) {
    if (!w->consumer || w->draining)
        return;
    for (int i = 0; i < READ_AT_ONCE && !full(w); i++) {
        struct hx_record record;
        if (!hx_consumer_poll(w->consumer, false, &record))
            break;
        take_record(w, &record);
        hx_record_free(&record);
    }
    if (full(w) != w->paused) {
        w->paused = !w->paused;
        hx_consumer_pause(w->consumer, w->paused);
    }
}

static void ready(void *user) {
    (void)user; /* the tick before the next wait polls */
}

static void revoked(const char *topic, int32_t partition, void *user) {
    struct worker *w = user;
    HX_FAIL_HERE("poll.revoked");
    hx_progress_drop(w->progress, topic, partition);
}

static void broken(const struct hx_kafka_error *error, bool fatal, void *user) {
    (void)user;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "kafka.error";
    if (error->code == UNKNOWN_TOPIC) { /* the scheduler makes topics; a fleet's first minute has none */
        hx_info(&ctx, "Kafka: %s, waiting for it", error->message);
        return;
    }
    hx_log(fatal ? HX_LOG_ERR : HX_LOG_WARNING, &ctx, "Kafka: %s%s", error->message, fatal ? "" : ", retrying");
}

/* One group for the fleet. A static member per slot: a worker that restarts gets its partitions back without a rebalance. */
int worker_consume(struct worker *w, struct hx_kafka_error *reterr) {
    const struct hx_config *c = w->config;
    size_t queues = w->handlers->queue_count;
    const char *prefix = hx_config_string(c, HX_KAFKA_TOPIC_PREFIX);
    const char **high = hx_allocn(queues, sizeof *high), **low = hx_allocn(queues, sizeof *low);
    char(*names)[HX_TOPIC_SIZE] = hx_allocn(2 * queues, sizeof *names);
    for (size_t i = 0; i < queues; i++) {
        hx_topic_jobs(names[2 * i], prefix, w->handlers->queues[i], true);
        hx_topic_jobs(names[2 * i + 1], prefix, w->handlers->queues[i], false);
        high[i] = names[2 * i];
        low[i] = names[2 * i + 1];
    }
    _cleanup_free_ char *group = hx_printf("%s.workers", prefix);
    _cleanup_free_ char *client = hx_printf("heimdex-worker-%d", w->slot);
    _cleanup_free_ char *member = hx_printf("%s", w->label);
    for (char *p = member; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p))
            *p = '-';
    struct hx_consumer_options options = {
        .kafka = hx_kafka_configured(c, client),
        .group = group,
        .instance_id = w->channel ? member : NULL,
        .high_topics = high,
        .low_topics = low,
        .high_count = queues,
        .low_count = queues,
    };
    static const struct hx_consumer_callbacks callbacks = { .ready = ready, .revoked = revoked, .error = broken };
    int r = hx_consumer_new(w->loop, &options, &callbacks, w, &w->consumer, reterr);
    free(high);
    free(low);
    free(names);
    return r;
}
