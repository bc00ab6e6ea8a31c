/* librdkafka behind one wrapper: what producers and consumers share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hx_kafka_options {
    const char *brokers;
    const char *const *properties; /* "name=value", applied last, so they win */
    size_t property_count;
    const char *client_id;
};

struct hx_kafka_error {
    int code;          /* rd_kafka_resp_err_t */
    char message[256]; /* redacted */
};

/* Makes the topics that are missing, through the admin API; a broker without it (the embedded one) makes topics when they
 * are first asked for. Blocks at most timeout_ms. 0 when all exist afterwards; -EAGAIN when the broker is away (reterr);
 * -EACCES when it may not create and one is missing; -EINVAL for a bad property. replication -1: the broker's. */
int hx_kafka_ensure_topics(const struct hx_kafka_options *options, const char *const *topics, size_t count,
                           int partitions, int replication, int timeout_ms, struct hx_kafka_error *reterr);

/* True for what goes on until a person mends it: certificates, user or password. reterr of a function that returned -EAGAIN then says what. */
_Bool hx_kafka_is_refusal(const struct hx_kafka_error *error);

/* Asks for metadata, blocking at most timeout_ms: how many brokers answer and which of the topics exist (ret_exists, an
 * array of count bools, may be NULL with count 0). 0 or -EAGAIN. */
int hx_kafka_probe(const struct hx_kafka_options *options, const char *const *topics, size_t count, int timeout_ms,
                   int *ret_brokers, _Bool *ret_exists, struct hx_kafka_error *reterr);

/* "PREFIX.jobs.QUEUE" (high: ".high" behind it), "PREFIX.dead-letter". Written into out; -ENAMETOOLONG over 249 bytes. */
#define HX_TOPIC_SIZE 250
int hx_topic_jobs(char out[HX_TOPIC_SIZE], const char *prefix, const char *queue, _Bool high);
int hx_topic_dead_letter(char out[HX_TOPIC_SIZE], const char *prefix);
/* True for names of queues and prefixes that make legal topic names: [A-Za-z0-9._-]+, at most 100 bytes. */
_Bool hx_topic_name_valid(const char *name);
