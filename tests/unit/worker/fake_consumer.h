/* A Kafka consumer: its records are the test's, and it notes which offsets are stored. */
#pragma once

#include "common/text.h"
#include "lib/kafka/consumer.h"

#include <errno.h>

enum { STORED_MAX = 256 };

static struct hx_record records[STORED_MAX];
static size_t record_count, record_next;
static int64_t stored[STORED_MAX];
static size_t stored_count;
static bool consumer_paused, consumer_left, consumer_refused;
static struct hx_consumer_callbacks consumer_callbacks;
static struct hx_consumer_options consumer_options;
static char consumer_member[256]; /* its instance_id, which the options don't own */

int hx_consumer_new(struct hx_loop *loop, const struct hx_consumer_options *options,
                    const struct hx_consumer_callbacks *callbacks, void *user, struct hx_consumer **ret,
                    struct hx_kafka_error *reterr) {
    (void)loop, (void)user;
    if (consumer_refused) {
        *reterr = (struct hx_kafka_error){ .message = "told so" };
        return -EINVAL;
    }
    consumer_callbacks = *callbacks;
    consumer_options = *options;
    hx_strcopy(consumer_member, sizeof consumer_member, options->instance_id ? options->instance_id : "");
    *ret = (struct hx_consumer *)records;
    return 0;
}

bool hx_consumer_poll(struct hx_consumer *c, bool prefer_low, struct hx_record *ret) {
    (void)c, (void)prefer_low;
    if (consumer_paused || record_next == record_count)
        return false;
    *ret = records[record_next++];
    return true;
}

void hx_record_free(struct hx_record *record) {
    (void)record;
}

void hx_consumer_store(struct hx_consumer *c, const char *topic, int32_t partition, int64_t next_offset) {
    (void)c, (void)topic, (void)partition;
    stored[stored_count++] = next_offset;
}

void hx_consumer_pause(struct hx_consumer *c, bool paused) {
    (void)c;
    consumer_paused = paused;
}

void hx_consumer_leave(struct hx_consumer *c) {
    (void)c;
    consumer_left = true;
}

struct hx_consumer *hx_consumer_close(struct hx_consumer *c, int timeout_ms) {
    (void)c, (void)timeout_ms;
    return NULL;
}
