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

static void tell_revoked(struct hx_consumer *c, const rd_kafka_topic_partition_list_t *partitions) {
    if (c->closing || !c->callbacks.revoked)
        return;
    for (int i = 0; i < partitions->cnt; i++)
        c->callbacks.revoked(partitions->elems[i].topic, partitions->elems[i].partition, c->user);
}

void hx_consumer_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions, void *user) {
    struct hx_consumer *c = user;
    /* Only where the user's properties ask for it: partitions then come and go one by one. */
    bool incremental = hx_streq(rd_kafka_rebalance_protocol(rk), "COOPERATIVE");
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        lead_into_bands(c, rk, partitions);
        c->assigned = partitions->cnt + (incremental ? c->assigned : 0);
        if (incremental)
            rd_kafka_error_destroy(rd_kafka_incremental_assign(rk, partitions));
        else
            rd_kafka_assign(rk, partitions);
        return;
    }
    tell_revoked(c, partitions);
    c->assigned = incremental ? HX_MAX(0, c->assigned - partitions->cnt) : 0;
    if (incremental && err == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
        rd_kafka_error_destroy(rd_kafka_incremental_unassign(rk, partitions));
    else
        rd_kafka_assign(rk, NULL);
}
