/* A producer in an event loop. acks=all, no idempotence (claims already deduplicate), no linger: records gather while a request is under way. */
#pragma once

#include "common/loop.h"
#include "lib/kafka/kafka.h"

#include <stdbool.h>

struct hx_producer;

/* One call for each produced record; ok only when the broker has it. A failed record may still have arrived. */
typedef void (*hx_delivery_cb)(bool ok, const struct hx_kafka_error *error, void *record_user, void *user);

/* 0; -EINVAL (bad property, reterr says which); -EMFILE, -ENFILE (no descriptor, reterr). Nothing connects before the first record or topic. */
int hx_producer_new(struct hx_loop *loop, const struct hx_kafka_options *options, hx_delivery_cb cb, void *user,
                    struct hx_producer **ret, struct hx_kafka_error *reterr);
/* Ends it: waits up to timeout_ms for outstanding records, then gives up without blocking further. Undelivered records get no
 * callback. Not from within the callback. NULL is fine; returns NULL. */
struct hx_producer *hx_producer_free(struct hx_producer *p, int timeout_ms);
/* Looks a topic up ahead of the first record (which otherwise waits a second for metadata). */
void hx_producer_topic(struct hx_producer *p, const char *topic);
/* From now on: whether a record without a key goes to the partition of the one before it, of its topic. Otherwise they go round. A broker is asked once
 * a partition, so records that stay together cost it less. */
void hx_producer_stay(struct hx_producer *p, bool stay);
/* Queues one record (copied). Records of one key go to one partition; key may be NULL.
 * 0; -EAGAIN queue full (poll the loop, try again); -EMSGSIZE; -EIO other (reterr). On failure there is no callback. */
int hx_producer_send(struct hx_producer *p, const char *topic, const char *key, const void *data, size_t size,
                     void *record_user, struct hx_kafka_error *reterr);
/* Records queued or in flight. */
size_t hx_producer_pending(const struct hx_producer *p);
/* True when the library has found no broker to talk to since the last call. It is told so without a record to send, too. */
bool hx_producer_cut_off(struct hx_producer *p);
/* Why brokers that are there are of no use, certificates or credentials, as far as it is known; NULL: it isn't, or they are. Valid until the
 * loop turns. */
const struct hx_kafka_error *hx_producer_refusal(const struct hx_producer *p);
/* CLOCK_MONOTONIC ms of the last good delivery report, 0 before the first: how long Kafka has been silent. */
int64_t hx_producer_last_ok_ms(const struct hx_producer *p);
