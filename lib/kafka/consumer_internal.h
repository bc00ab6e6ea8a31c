/* What the files of the consumer share. */
#pragma once

#include "lib/kafka/consumer.h"
#include "lib/kafka/handle.h"

/* An error of this kind was reported then. */
struct hx_said {
    int code;
    int64_t at_ms;
};

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
    rd_kafka_conf_t
        *dynamic; /* the configuration without group.instance.id; NULL when there is none to fall back from */
    rd_kafka_message_t *stray; /* a record that came by the events' queue */
    struct hx_consumer_callbacks callbacks;
    void *user;
    rd_kafka_topic_partition_list_t *assigned;
    struct hx_said said[8];
    bool paused, closing;
    bool leaving; /* no member any more, or not for long */
    bool dead;    /* its fatal error was reported */
};

/* assignment.c: librdkafka's rebalance callback. */
void hx_consumer_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                              void *user);
/* Tells the caller that all partitions are gone. */
void hx_consumer_forget_assignment(struct hx_consumer *c);
bool hx_consumer_is_high(const struct hx_consumer *c, const char *topic);

/* consumer_client.c */
/* Takes conf in any case. 0; -EINVAL (reterr): then c->rk may be NULL. */
int hx_consumer_open_client(struct hx_consumer *c, rd_kafka_conf_t *conf, struct hx_kafka_error *reterr);
/* Rebalances, errors and log lines: their callbacks run in here. Not the records. */
void hx_consumer_serve(struct hx_consumer *c);
void hx_consumer_let_go_of_queues(struct hx_consumer *c);
void hx_consumer_report_message(struct hx_consumer *c, const rd_kafka_message_t *message);
void hx_consumer_on_error(rd_kafka_t *rk, int err, const char *reason, void *user);
