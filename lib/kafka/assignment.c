/* Partitions come and go. Each partition has a queue inside librdkafka, which is led into one of our two, high or low. */
#include "common/text.h"
#include "lib/kafka/consumer_internal.h"

bool hx_consumer_is_high(const struct hx_consumer *c, const char *topic) {
    for (size_t i = 0; i < c->high_count; i++)
        if (hx_streq(c->high_topics[i], topic))
            return true;
    return false;
}

/* Before the assignment: librdkafka leads a partition into its common queue unless it has been led elsewhere by then. */
static void lead_into_bands(struct hx_consumer *c, rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions) {
    for (int i = 0; i < partitions->cnt && !c->closing; i++) {
        const rd_kafka_topic_partition_t *part = &partitions->elems[i];
        rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(rk, part->topic, part->partition);
        if (!queue)
            continue;
        rd_kafka_queue_forward(queue, hx_consumer_is_high(c, part->topic) ? c->high : c->low);
        rd_kafka_queue_destroy(queue);
    }
}

static void tell_revoked(struct hx_consumer *c, const char *topic, int32_t partition) {
    if (!c->closing && c->callbacks.revoked)
        c->callbacks.revoked(topic, partition, c->user);
}

void hx_consumer_forget_assignment(struct hx_consumer *c) {
    while (c->assigned->cnt > 0) {
        rd_kafka_topic_partition_t *last = &c->assigned->elems[c->assigned->cnt - 1];
        tell_revoked(c, last->topic, last->partition);
        rd_kafka_topic_partition_list_del_by_idx(c->assigned, c->assigned->cnt - 1);
    }
}

static void remember(struct hx_consumer *c, const rd_kafka_topic_partition_list_t *partitions) {
    for (int i = 0; i < partitions->cnt; i++)
        rd_kafka_topic_partition_list_add(c->assigned, partitions->elems[i].topic, partitions->elems[i].partition);
}

static void forget(struct hx_consumer *c, const rd_kafka_topic_partition_list_t *partitions) {
    for (int i = 0; i < partitions->cnt; i++) {
        const rd_kafka_topic_partition_t *part = &partitions->elems[i];
        if (rd_kafka_topic_partition_list_del(c->assigned, part->topic, part->partition))
            tell_revoked(c, part->topic, part->partition);
    }
}

/* All partitions at a time: what roundrobin and range do. */
static void rebalance_eagerly(struct hx_consumer *c, rd_kafka_t *rk, bool assign,
                              const rd_kafka_topic_partition_list_t *partitions) {
    hx_consumer_forget_assignment(c);
    if (assign) {
        remember(c, partitions);
        lead_into_bands(c, rk, partitions);
    }
    rd_kafka_assign(rk, assign ? partitions : NULL);
}

/* One by one: only where the user's properties ask for it. */
static void rebalance_incrementally(struct hx_consumer *c, rd_kafka_t *rk, bool assign,
                                    const rd_kafka_topic_partition_list_t *partitions) {
    if (assign) {
        remember(c, partitions);
        lead_into_bands(c, rk, partitions);
        rd_kafka_error_destroy(rd_kafka_incremental_assign(rk, partitions));
    } else {
        forget(c, partitions);
        rd_kafka_error_destroy(rd_kafka_incremental_unassign(rk, partitions));
    }
}

void hx_consumer_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                              void *user) {
    bool assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    bool failed = !assign && err != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
    if (hx_streq(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") && !failed)
        rebalance_incrementally(user, rk, assign, partitions);
    else
        rebalance_eagerly(user, rk, assign, partitions);
}
