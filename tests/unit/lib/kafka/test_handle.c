/* What librdkafka is told: ours, the user's over it. */
#include "lib/kafka/handle.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The value that a client would have, its topics' too. */
static const char *value(const rd_kafka_conf_t *conf, const char *name) {
    static char text[256];
    size_t size = sizeof(text);
    if (rd_kafka_conf_get(conf, name, text, &size) != RD_KAFKA_CONF_OK)
        fail_msg("no property %s", name);
    return text;
}

static rd_kafka_conf_t *producer(const struct hx_kafka_options *options) {
    rd_kafka_conf_t *conf;
    assert_int_equal(hx_producer_conf_new(options, &conf, NULL), 0);
    return conf;
}

static rd_kafka_conf_t *consumer(const struct hx_kafka_options *options) {
    rd_kafka_conf_t *conf;
    assert_int_equal(hx_consumer_conf_new(options, "g", &conf, NULL), 0);
    return conf;
}

static void assert_shared(const rd_kafka_conf_t *conf) {
    assert_string_equal(value(conf, "bootstrap.servers"), "h:1");
    assert_string_equal(value(conf, "client.id"), "me");
    assert_string_equal(value(conf, "socket.nagle.disable"), "true");
    assert_string_equal(value(conf, "socket.keepalive.enable"), "true");
    assert_string_equal(value(conf, "socket.timeout.ms"), "10000");
    assert_string_equal(value(conf, "reconnect.backoff.max.ms"), "2000");
    assert_string_equal(value(conf, "topic.metadata.refresh.interval.ms"), "10000");
}

static const struct hx_kafka_options plain = { .brokers = "h:1", .client_id = "me" };

static void a_producer_has_ours(void **state) {
    (void)state;
    rd_kafka_conf_t *conf = producer(&plain);
    assert_shared(conf);
    assert_string_equal(value(conf, "acks"), "-1"); /* all */
    assert_string_equal(value(conf, "enable.idempotence"), "false");
    assert_string_equal(value(conf, "linger.ms"), "0");
    assert_string_equal(value(conf, "message.timeout.ms"), "10000");
    rd_kafka_conf_destroy(conf);
}

/* What is fetched ahead is bounded: a drained worker's share is not to lie in one that stands still. */
static void a_consumer_has_ours(void **state) {
    (void)state;
    rd_kafka_conf_t *conf = consumer(&plain);
    assert_shared(conf);
    assert_string_equal(value(conf, "group.id"), "g");
    assert_string_equal(value(conf, "auto.offset.reset"), "smallest"); /* by its older name */
    assert_string_equal(value(conf, "enable.auto.offset.store"), "false");
    assert_string_equal(value(conf, "enable.auto.commit"), "true");
    assert_string_equal(value(conf, "session.timeout.ms"), "10000");
    assert_string_equal(value(conf, "heartbeat.interval.ms"), "1000");
    assert_string_equal(value(conf, "partition.assignment.strategy"), "roundrobin,range");
    assert_string_equal(value(conf, "queued.min.messages"), "5000");
    assert_string_equal(value(conf, "queued.max.messages.kbytes"), "2048");
    rd_kafka_conf_destroy(conf);
}

static void the_users_win(void **state) {
    (void)state;
    static const char *const properties[] = { "socket.timeout.ms=2000", "session.timeout.ms=20000", "acks=1" };
    struct hx_kafka_options options = plain;
    options.properties = properties;
    options.property_count = HX_ARRAY_LEN(properties);
    rd_kafka_conf_t *p = producer(&options), *c = consumer(&options);
    assert_string_equal(value(p, "socket.timeout.ms"), "2000"); /* what all share */
    assert_string_equal(value(p, "acks"), "1");
    assert_string_equal(value(c, "session.timeout.ms"), "20000");
    rd_kafka_conf_destroy(p);
    rd_kafka_conf_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_producer_has_ours), cmocka_unit_test(a_consumer_has_ours),
                                        cmocka_unit_test(the_users_win) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
