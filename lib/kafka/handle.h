/* Making and ending a librdkafka client: for the files of this folder only. */
#pragma once

#include "lib/kafka/kafka.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <sys/types.h>

struct hx_kafka_setting {
    const char *name, *value;
};

/* A configuration from what all clients of ours share, `settings`, and the user's properties, which win. Brokers NULL: a client that
 * finds none. 0 and *ret, owned by the caller; -EINVAL for a property that librdkafka refuses (reterr). */
int hx_kafka_conf_new(const struct hx_kafka_options *options, const struct hx_kafka_setting *settings, size_t count,
                      rd_kafka_conf_t **ret, struct hx_kafka_error *reterr);
/* The same with what makes a producer or a consumer of it (producer.c, consumer.c). */
int hx_producer_conf_new(const struct hx_kafka_options *options, rd_kafka_conf_t **ret, struct hx_kafka_error *reterr);
int hx_consumer_conf_new(const struct hx_kafka_options *options, const char *group, rd_kafka_conf_t **ret,
                         struct hx_kafka_error *reterr);
/* Log lines go to the client's own queue and from there, by the thread that polls it, to hx_debug. Before hx_kafka_new. */
void hx_kafka_conf_log(rd_kafka_conf_t *conf);

/* Starts a client, with all signals blocked in its threads. Takes conf in any case. NULL when the properties don't fit
 * together (reterr). */
rd_kafka_t *hx_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct hx_kafka_error *reterr);
/* Destroys it in a thread of its own, because rd_kafka_destroy has no deadline. True when that is done after at most
 * timeout_ms; else the thread goes on alone. Consumers are not closed. */
bool hx_kafka_destroy(rd_kafka_t *rk, int timeout_ms);
/* Takes what a client's threads may still look at, because it did not end in time. For good, and where leak checkers see that. */
void hx_kafka_keep(void *memory);

/* Fills in *reterr unless it is NULL; the message is redacted. */
void hx_kafka_error_set(struct hx_kafka_error *reterr, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Milliseconds until the deadline (hx_mono_ms), at least 0. */
int hx_kafka_left(int64_t deadline_ms);

/* A client doesn't survive a fork, and librdkafka says nothing: calls in a child seem to succeed. */
void hx_kafka_assert_owner(pid_t creator);
