/* What the files of the consumer share. */
#pragma once

#include "lib/kafka/consumer.h"
#include "lib/kafka/handle.h"

struct hx_consumer {
    rd_kafka_t *rk;
    pid_t creator;
    int fd; /* readable when one of the queues may have something */
    struct hx_watch *watch;
    struct hx_timer *tick;
    rd_kafka_queue_t *high, *low; /* records, by band */
    rd_kafka_queue_t *events;     /* rebalances, errors, log lines */
    rd_kafka_topic_partition_list_t *subscription;
    char **high_topics;
    size_t high_count;
    rd_kafka_conf_t *dynamic; /* the configuration without group.instance.id; NULL when there is none to fall back from */
    rd_kafka_message_t *stray; /* a record that came by the events' queue */
    struct hx_consumer_callbacks callbacks;
    void *user;
    int assigned;
    bool paused, fenced, closing;
};

/* assignment.c: librdkafka's rebalance callback. */
void hx_consumer_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions, void *user);
bool hx_consumer_is_high(const struct hx_consumer *c, const char *topic);
