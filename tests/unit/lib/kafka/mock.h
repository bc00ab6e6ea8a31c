/* A mock cluster inside the test, and waiting for conditions with a deadline. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/pace.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/text.h"
#include "lib/kafka/kafka.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { DEADLINE_MS = 20000, BROKER = 1 };

/* Nothing listens there: the port of TCP's own multiplexer. */
#define NOBODY "127.0.0.1:1"

struct mock {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct hx_loop *loop;
};

/* Quickened, the cluster waits a quarter of the time (broker/pace.h). */
static inline void mock_open(struct mock *m, bool quickened) {
    char why[256];
    assert_int_equal(hx_loop_new(&m->loop), 0);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    if (quickened)
        hx_pace_quicken(conf);
    m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(m->rk);
    m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
    assert_non_null(m->cluster);
    assert_int_equal(rd_kafka_brokers_add(m->rk, rd_kafka_mock_cluster_bootstraps(m->cluster)), 1);
}

static inline void mock_close(struct mock *m) {
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->rk);
    hx_loop_free(m->loop);
}

static inline void mock_topic(struct mock *m, const char *name, int partitions) {
    assert_int_equal(rd_kafka_mock_topic_create(m->cluster, name, partitions, 1), 0);
}

static inline void mock_down(struct mock *m) {
    assert_int_equal(rd_kafka_mock_broker_set_down(m->cluster, BROKER), 0);
}

static inline void mock_up(struct mock *m) {
    assert_int_equal(rd_kafka_mock_broker_set_up(m->cluster, BROKER), 0);
}

/* Connected and mute, as a stopped process is. */
static inline void mock_freeze(struct mock *m) {
    assert_int_equal(rd_kafka_mock_broker_set_rtt(m->cluster, BROKER, 600000), 0);
}

static inline struct hx_kafka_options mock_options(const struct mock *m) {
    return (struct hx_kafka_options){ .brokers = rd_kafka_mock_cluster_bootstraps(m->cluster), .client_id = "test" };
}

/* Runs the loop until the condition holds. */
#define until(m, condition)                                            \
    do {                                                               \
        int64_t end_ = hx_mono_ms() + DEADLINE_MS;                     \
        bool holds_;                                                   \
        while (!(holds_ = (condition)) && hx_mono_ms() < end_)         \
            assert_int_equal(hx_loop_once((m)->loop, 20), 0);          \
        if (!holds_)                                                   \
            fail_msg("not within %d ms: %s", DEADLINE_MS, #condition); \
    } while (0)

/* For what must not happen: runs the loop for that long. */
static inline void run_for(struct mock *m, int ms) {
    int64_t end = hx_mono_ms() + ms;
    while (hx_mono_ms() < end)
        assert_int_equal(hx_loop_once(m->loop, 20), 0);
}
