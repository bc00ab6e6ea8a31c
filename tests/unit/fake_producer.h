/* A producer that keeps the records it is given: the test says how many find room, and what becomes of each. There is one at a time. */
#pragma once

#include "common/text.h"
#include "lib/kafka/producer.h"

#include <errno.h>
#include <string.h>

enum { RECORDS_MAX = 64 };

static struct {
    char topic[HX_TOPIC_SIZE];
    struct hx_buf data;
    void *user;
    bool stayed; /* at the partition of the one before */
} records[RECORDS_MAX];
static size_t record_count, room;
static bool staying;
static hx_delivery_cb delivery;
static void *delivery_user;

int hx_producer_new(struct hx_loop *loop, const struct hx_kafka_options *options, hx_delivery_cb cb, void *user,
                    struct hx_producer **ret, struct hx_kafka_error *reterr) {
    (void)loop, (void)options, (void)reterr;
    room = RECORDS_MAX;
    staying = false;
    delivery = cb;
    delivery_user = user;
    *ret = NULL;
    return 0;
}

struct hx_producer *hx_producer_free(struct hx_producer *p, int timeout_ms) {
    (void)p, (void)timeout_ms;
    while (record_count > 0)
        hx_buf_reset(&records[--record_count].data);
    return NULL;
}

void hx_producer_topic(struct hx_producer *p, const char *topic) {
    (void)p, (void)topic;
}

void hx_producer_stay(struct hx_producer *p, bool stay) {
    (void)p;
    staying = stay;
}

bool hx_producer_cut_off(struct hx_producer *p) {
    (void)p;
    return false;
}

const struct hx_kafka_error *hx_producer_refusal(const struct hx_producer *p) {
    (void)p;
    return NULL;
}

int hx_producer_send(struct hx_producer *p, const char *topic, const char *key, const void *data, size_t size,
                     void *record_user, struct hx_kafka_error *reterr) {
    (void)p, (void)key, (void)reterr;
    if (record_count == room)
        return -EAGAIN;
    hx_strcopy(records[record_count].topic, HX_TOPIC_SIZE, topic);
    hx_buf_append(&records[record_count].data, data, size);
    records[record_count].user = record_user;
    records[record_count++].stayed = staying;
    return 0;
}

static inline void delivered(size_t record) {
    delivery(true, NULL, records[record].user, delivery_user);
}

static inline void refused(size_t record, int code) {
    delivery(false, &(struct hx_kafka_error){ .code = code, .message = "told so" }, records[record].user,
             delivery_user);
}
