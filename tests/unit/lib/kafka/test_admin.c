#include "tests/unit/lib/kafka/mock.h"

#include <errno.h>
#include <string.h>

static const char *const topics[] = { "x.jobs.default", "x.dead-letter" };

static int setup(void **state) {
    struct mock *m = hx_alloc(sizeof(*m));
    mock_open(m, true);
    *state = m;
    return 0;
}

static int teardown(void **state) {
    mock_close(*state);
    free(*state);
    return 0;
}

static void missing_topics_are_seen_and_not_made(void **state) {
    struct mock *m = *state;
    mock_topic(m, topics[1], 3);
    struct hx_kafka_options options = mock_options(m);
    for (int i = 0; i < 2; i++) {
        int brokers = 0;
        bool exists[2] = { true, false };
        assert_int_equal(hx_kafka_probe(&options, topics, 2, DEADLINE_MS, &brokers, exists, NULL), 0);
        assert_int_equal(brokers, 1);
        assert_false(exists[0]);
        assert_true(exists[1]);
    }
}

static void a_broker_without_admin_api_makes_topics_when_asked(void **state) {
    struct mock *m = *state;
    struct hx_kafka_options options = mock_options(m);
    for (int i = 0; i < 2; i++) { /* the second time they are there */
        assert_int_equal(hx_kafka_ensure_topics(&options, topics, 2, 6, -1, DEADLINE_MS, NULL), 0);
        int brokers;
        bool exists[2] = { false, false };
        assert_int_equal(hx_kafka_probe(&options, topics, 2, DEADLINE_MS, &brokers, exists, NULL), 0);
        assert_true(exists[0] && exists[1]);
    }
}

static void an_absent_broker_is_told_apart_within_the_deadline(void **state) {
    (void)state;
    struct hx_kafka_options options = { .brokers = NOBODY };
    struct hx_kafka_error error = { 0 };
    int brokers;
    int64_t start = hx_mono_ms();
    assert_int_equal(hx_kafka_ensure_topics(&options, topics, 2, 6, -1, 500, &error), -EAGAIN);
    assert_int_not_equal(error.code, 0);
    assert_non_null(strstr(error.message, "no broker answers"));
    assert_int_equal(hx_kafka_probe(&options, NULL, 0, 500, &brokers, NULL, &error), -EAGAIN);
    assert_in_range(hx_mono_ms() - start, 0, DEADLINE_MS);
}

static void a_mute_broker_is_left_at_the_deadline(void **state) {
    struct mock *m = *state;
    mock_freeze(m);
    struct hx_kafka_options options = mock_options(m);
    int64_t start = hx_mono_ms();
    assert_int_equal(hx_kafka_ensure_topics(&options, topics, 2, 6, -1, 500, NULL), -EAGAIN);
    assert_in_range(hx_mono_ms() - start, 0, DEADLINE_MS);
}

static void a_bad_property_is_named(void **state) {
    (void)state;
    static const struct {
        const char *property, *complaint;
    } cases[] = {
        { "no.such.property=1", "no.such.property" },
        { "acks=many", "acks" },
        { "socket.timeout.ms=soon", "socket.timeout.ms" },
        { "nothing", "name=value" },
        { "=1", "name=value" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct hx_kafka_options options = { .brokers = NOBODY, .properties = &cases[i].property, .property_count = 1 };
        struct hx_kafka_error error = { 0 };
        int brokers;
        assert_int_equal(hx_kafka_probe(&options, NULL, 0, 500, &brokers, NULL, &error), -EINVAL);
        assert_non_null(strstr(error.message, cases[i].complaint));
    }
}

static void secrets_stay_out_of_errors(void **state) {
    (void)state;
    static const char *const properties[] = { "sasl.password=hunter2hunter2", "security.protocol=hunter2hunter2" };
    struct hx_kafka_options options = { .brokers = NOBODY, .properties = properties, .property_count = 2 };
    struct hx_kafka_error error = { 0 };
    int brokers;
    assert_int_equal(hx_kafka_probe(&options, NULL, 0, 500, &brokers, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.message, "security.protocol"));
    assert_null(strstr(error.message, "hunter2"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_topics_are_seen_and_not_made, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broker_without_admin_api_makes_topics_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mute_broker_is_left_at_the_deadline, setup, teardown),
        cmocka_unit_test(an_absent_broker_is_told_apart_within_the_deadline),
        cmocka_unit_test(a_bad_property_is_named),
        cmocka_unit_test(secrets_stay_out_of_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
