/* A consumer and a producer on a mock cluster, for the consumer's tests. */
#pragma once

#include "lib/kafka/consumer.h"
#include "lib/kafka/consumer_internal.h"
#include "lib/kafka/producer.h"
#include "tests/unit/lib/kafka/mock.h"

#include <string.h>

enum { PARTITIONS = 3, HEARTBEAT_REQUEST = 12 };

struct fixture {
    struct mock mock;
    struct hx_producer *p;
    struct hx_consumer *c;
    int delivered;
    int ready, revoked, errors, fatal;
    int codes[16], repeated; /* of the errors, those that were told before */
    char got[128];           /* the records' first bytes, in order */
};

static inline void on_delivery(bool ok, const struct hx_kafka_error *error, void *record_user, void *user) {
    (void)error, (void)record_user;
    struct fixture *f = user;
    assert_true(ok);
    f->delivered++;
}

static inline int open_fixture(void **state, bool quickened) {
    struct fixture *f = hx_alloc(sizeof(*f));
    mock_open(&f->mock, quickened);
    mock_topic(&f->mock, "high", PARTITIONS);
    mock_topic(&f->mock, "low", PARTITIONS);
    struct hx_kafka_options options = mock_options(&f->mock);
    assert_int_equal(hx_producer_new(f->mock.loop, &options, on_delivery, f, &f->p, NULL), 0);
    *state = f;
    return 0;
}

static inline int setup(void **state) {
    return open_fixture(state, true);
}

static inline int teardown(void **state) {
    struct fixture *f = *state;
    hx_consumer_close(f->c, 2000);
    hx_producer_free(f->p, 0);
    mock_close(&f->mock);
    free(f);
    return 0;
}

static inline void on_ready(void *user) {
    struct fixture *f = user;
    f->ready++;
}

static inline void on_revoked(const char *topic, int32_t partition, void *user) {
    struct fixture *f = user;
    assert_true(hx_streq(topic, "high") || hx_streq(topic, "low"));
    assert_in_range(partition, 0, PARTITIONS - 1);
    f->revoked++;
}

static inline void on_error(const struct hx_kafka_error *error, bool fatal, void *user) {
    struct fixture *f = user;
    assert_int_not_equal(error->code, 0);
    assert_int_not_equal(error->message[0], 0);
    for (int i = 0; i < HX_MIN(f->errors, (int)HX_ARRAY_LEN(f->codes)); i++)
        f->repeated += f->codes[i] == error->code;
    if (f->errors < (int)HX_ARRAY_LEN(f->codes))
        f->codes[f->errors] = error->code;
    f->errors++;
    f->fatal += fatal;
}

/* A rebalance of the mock cluster takes a session timeout less a second, the first one 3 s, which it must not exceed; quickened, a
 * quarter. */
static const char *const quick[] = { "session.timeout.ms=10000", "heartbeat.interval.ms=200" };

static inline int new_consumer(struct fixture *f, const char *instance_id, const char *const *properties, size_t count,
                               struct hx_consumer **ret, struct hx_kafka_error *reterr) {
    static const char *const high[] = { "high" }, *const low[] = { "low" };
    static const struct hx_consumer_callbacks callbacks = { on_ready, on_revoked, on_error };
    struct hx_consumer_options options = { .kafka = mock_options(&f->mock),
                                           .group = "g",
                                           .instance_id = instance_id,
                                           .high_topics = high,
                                           .high_count = 1,
                                           .low_topics = low,
                                           .low_count = 1 };
    options.kafka.properties = properties;
    options.kafka.property_count = count;
    return hx_consumer_new(f->mock.loop, &options, &callbacks, f, ret, reterr);
}

static inline void open_consumer(struct fixture *f) {
    assert_int_equal(new_consumer(f, NULL, quick, HX_ARRAY_LEN(quick), &f->c, NULL), 0);
}

static inline void produce(struct fixture *f, const char *topic, const char *records) {
    int expected = f->delivered + (int)strlen(records);
    for (const char *r = records; *r; r++)
        assert_int_equal(hx_producer_send(f->p, topic, "one key", r, 1, NULL, NULL), 0);
    until(&f->mock, f->delivered == expected);
}

/* Takes what is there: the first bytes go to f->got. True if there were any. */
static inline bool take(struct fixture *f, bool prefer_low, bool store) {
    struct hx_record record;
    bool any = false;
    while (hx_consumer_poll(f->c, prefer_low, &record)) {
        any = true;
        assert_string_equal(record.topic, record.high ? "high" : "low");
        assert_int_equal(record.size, 1);
        f->got[strlen(f->got)] = *(const char *)record.data;
        if (store)
            hx_consumer_store(f->c, record.topic, record.partition, record.offset + 1);
        hx_record_free(&record);
    }
    return any;
}

static inline bool took(struct fixture *f, size_t n) {
    take(f, false, true);
    return strlen(f->got) >= n;
}

/* A consumer that has its partitions and has taken a record of each band: its queues are empty, without the marks that
 * librdkafka puts into them at the start of an assignment. */
static inline void open_settled(struct fixture *f) {
    open_consumer(f);
    produce(f, "high", "-");
    produce(f, "low", "-");
    until(&f->mock, took(f, 2));
    memset(f->got, 0, sizeof(f->got));
}

/* Until that many records more were fetched ahead. Nothing is taken. */
static inline void until_fetched(struct fixture *f, size_t high, size_t low) {
    until(&f->mock, rd_kafka_queue_length(f->c->high) == high && rd_kafka_queue_length(f->c->low) == low);
}
