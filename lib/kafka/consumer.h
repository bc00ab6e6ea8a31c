/* A consumer in an event loop: two bands of topics (high before low), offsets stored by us, static membership, a close
 * that never blocks. rd_kafka_consume_batch_queue is not used: it can lose messages in 2.0.2. */
#pragma once

#include "common/loop.h"
#include "lib/kafka/kafka.h"

#include <stdbool.h>

struct hx_consumer;

struct hx_record {
    const char *topic; /* valid until hx_record_free */
    int32_t partition;
    int64_t offset;
    const void *data;
    size_t size;
    bool high;
    void *handle; /* the library's message */
};

struct hx_consumer_options {
    struct hx_kafka_options kafka;
    const char *group;
    const char
        *instance_id; /* group.instance.id, or NULL for a dynamic member; FENCED falls back to dynamic by itself */
    const char *const *high_topics, *const *low_topics;
    size_t high_count, low_count;
};

/* One of a kind is reported within this time. */
#define HX_CONSUMER_ERROR_INTERVAL_MS 10000

/* Called from the loop only. `ready` may close the consumer, the others may not. */
struct hx_consumer_callbacks {
    void (*ready)(void *user); /* records may be there: call hx_consumer_poll until it says false, or pause */
    void (*revoked)(const char *topic, int32_t partition, void *user);         /* forget what is not claimed of it */
    void (*error)(const struct hx_kafka_error *error, bool fatal, void *user); /* not fatal: it goes on by itself */
};

/* Subscribes. 0; -EINVAL (bad property, reterr); -EMFILE, -ENFILE (no descriptor, reterr). */
int hx_consumer_new(struct hx_loop *loop, const struct hx_consumer_options *options,
                    const struct hx_consumer_callbacks *callbacks, void *user, struct hx_consumer **ret,
                    struct hx_kafka_error *reterr);
/* The next record without waiting: high first unless prefer_low and there is a low one. false: none now. The caller frees. */
bool hx_consumer_poll(struct hx_consumer *c, bool prefer_low, struct hx_record *ret);
void hx_record_free(struct hx_record *record);
/* Everything before next_offset of this partition is done for good; committed in the background (every 500 ms). Ignored for
 * partitions that are no longer ours. */
void hx_consumer_store(struct hx_consumer *c, const char *topic, int32_t partition, int64_t next_offset);
/* While there is no room: no records, no `ready`; fetching stops once some hundred records wait. Rebalances and liveness go on. */
void hx_consumer_pause(struct hx_consumer *c, bool paused);
bool hx_consumer_assigned(const struct hx_consumer *c); /* at least one partition is ours */
/* Gives its partitions to the other members, without waiting: what is stored is committed, no record comes any more, and somebody else
 * may have our instance_id. All that is left to do with it is hx_consumer_close, whenever the caller ends. */
void hx_consumer_leave(struct hx_consumer *c);
/* Leaves within timeout_ms (stored offsets are committed), then gives up and abandons the handle: the caller is about to
 * exit. NULL is fine; returns NULL. */
struct hx_consumer *hx_consumer_close(struct hx_consumer *c, int timeout_ms);
