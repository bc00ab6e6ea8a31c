/* doctor: brokers and topics. */
#include "common/clock.h"
#include "ctl/doctor.h"
#include "lib/kafka/options.h"

#include <errno.h>

enum { TIMEOUT_MS = 3000 };

struct topics {
    char (*names)[HX_TOPIC_SIZE];
    const char **pointers;
    bool *exist, *ordinary;
    size_t count;
};

/* The queues that this host's handlers name count too: their types may not be registered yet. */
static void add_configured_queues(struct doctor *d) {
    size_t n;
    const struct hx_handler_config *handlers = hx_config_handlers(d->ctl->config, &n);
    doctor_add_queue(d, "default");
    for (size_t i = 0; i < n; i++)
        doctor_add_queue(d, handlers[i].queue);
}

static void topics_init(struct topics *t, const struct doctor *d) {
    const char *prefix = hx_config_string(d->ctl->config, HX_KAFKA_TOPIC_PREFIX);
    size_t most = 2 * d->queue_count + 1;
    *t = (struct topics){ .names = hx_allocn(most, sizeof *t->names),
                          .pointers = hx_allocn(most, sizeof *t->pointers),
                          .exist = hx_allocn(most, sizeof *t->exist),
                          .ordinary = hx_allocn(most, sizeof *t->ordinary) };
    for (size_t i = 0; i < d->queue_count; i++)
        for (int high = 0; high < 2; high++)
            if (hx_topic_jobs(t->names[t->count], prefix, d->queues[i], high) == 0)
                t->ordinary[t->count++] = !high;
    if (hx_topic_dead_letter(t->names[t->count], prefix) == 0)
        t->count++;
    for (size_t i = 0; i < t->count; i++)
        t->pointers[i] = t->names[i];
}

static void topics_reset(struct topics *t) {
    free(t->names);
    free(t->pointers);
    free(t->exist);
    free(t->ordinary);
}

/* Without its queue's topic a type's jobs travel slowly; the others are made when they are first written to at the latest. */
static void find_topics(struct doctor *d, const struct topics *t, int64_t started) {
    _cleanup_buf_ struct hx_buf missing = { 0 };
    enum finding_state state = FINDING_WARNING;
    for (size_t i = 0; i < t->count; i++) {
        if (t->exist[i])
            continue;
        hx_buf_printf(&missing, "%s%s", missing.len ? ", " : "", t->names[i]);
        if (t->ordinary[i])
            state = FINDING_FAILURE;
    }
    if (missing.len)
        doctor_find(d, "topics", state, started, "systemctl restart heimdex-supervisor, which makes them",
                    "missing: %s", missing.data);
    else
        doctor_find(d, "topics", FINDING_OK, started, NULL, "all %zu are there", t->count);
}

static const char *mend_connection(int r, const struct hx_kafka_error *error) {
    if (r == -EINVAL)
        return "correct kafka.properties";
    return hx_kafka_is_refusal(error) ? "correct kafka.properties, or what the brokers are configured with"
                                      : "systemctl start heimdex-broker, or set kafka.brokers";
}

void probe_kafka(struct doctor *d) {
    const struct hx_config *config = d->ctl->config;
    struct hx_kafka_options options = hx_kafka_configured(config, "heimdexctl");
    struct hx_kafka_error error = { 0 };
    struct topics topics;
    int brokers = 0;
    add_configured_queues(d);
    topics_init(&topics, d);
    int64_t started = hx_mono_ns();
    int r = hx_kafka_probe(&options, topics.pointers, topics.count, TIMEOUT_MS, &brokers, topics.exist, &error);
    if (r == 0) {
        doctor_find(d, "kafka", FINDING_OK, started, NULL, "%d broker%s at %s", brokers, brokers == 1 ? "" : "s",
                    options.brokers);
        find_topics(d, &topics, started);
    } else {
        doctor_find(d, "kafka", FINDING_FAILURE, started, mend_connection(r, &error), "Kafka at %s: %s",
                    options.brokers, error.message);
        doctor_find(d, "topics", FINDING_FAILURE, hx_mono_ns(), NULL, "not known: no connection to Kafka");
    }
    topics_reset(&topics);
}
