/* Records, their order, and their offsets. */
#include "tests/unit/lib/kafka/consumer_fixture.h"

#include <errno.h>

static void high_comes_before_low(void **state) {
    struct fixture *f = *state;
    open_settled(f);
    produce(f, "low", "lmn");
    produce(f, "high", "hij");
    until_fetched(f, 3, 3);
    assert_true(take(f, false, true));
    assert_string_equal(f->got, "hijlmn");
}

static void low_comes_first_when_asked_for(void **state) {
    struct fixture *f = *state;
    open_settled(f);
    produce(f, "low", "lmn");
    produce(f, "high", "hij");
    until_fetched(f, 3, 3);
    assert_true(take(f, true, true));
    assert_string_equal(f->got, "lmnhij");
    produce(f, "high", "k");
    until(&f->mock, take(f, true, true)); /* and high when there is no low */
    assert_string_equal(f->got, "lmnhijk");
}

static void ready_says_when_records_come(void **state) {
    struct fixture *f = *state;
    open_consumer(f);
    assert_false(hx_consumer_assigned(f->c));
    until(&f->mock, hx_consumer_assigned(f->c));
    for (const char *r = "abc"; *r; r++) {
        take(f, false, true);
        f->ready = 0;
        assert_int_equal(hx_producer_send(f->p, "low", NULL, r, 1, NULL, NULL), 0);
        until(&f->mock, f->ready > 0 && take(f, false, true));
    }
    assert_string_equal(f->got, "abc");
}

static void nothing_comes_while_paused(void **state) {
    struct fixture *f = *state;
    open_settled(f);
    hx_consumer_pause(f->c, true);
    f->ready = 0;
    produce(f, "low", "abc");
    until_fetched(f, 0, 3);
    run_for(&f->mock, 600); /* longer than its own timer takes */
    assert_false(take(f, false, true));
    assert_int_equal(f->ready, 0);
    hx_consumer_pause(f->c, false);
    until(&f->mock, f->ready > 0);
    until(&f->mock, took(f, 3));
    assert_string_equal(f->got, "abc");
}

static void records_left_lying_are_told_again(void **state) {
    struct fixture *f = *state;
    open_settled(f);
    produce(f, "low", "ab");
    until_fetched(f, 0, 2);
    run_for(&f->mock, 0);
    f->ready = 0; /* their event is spent */
    until(&f->mock, f->ready > 0);
    assert_true(take(f, false, true));
    assert_string_equal(f->got, "ab");
}

static void what_is_stored_does_not_come_again(void **state) {
    struct fixture *f = *state;
    produce(f, "low", "abcd");
    open_consumer(f);
    struct hx_record record;
    for (int i = 0; i < 4; i++) { /* the third and fourth are taken and not stored */
        until(&f->mock, hx_consumer_poll(f->c, false, &record));
        if (i < 2)
            hx_consumer_store(f->c, record.topic, record.partition, record.offset + 1);
        hx_record_free(&record);
    }
    f->c = hx_consumer_close(f->c, DEADLINE_MS);
    open_consumer(f);
    until(&f->mock, took(f, 2));
    assert_string_equal(f->got, "cd");
}

/* The offset the broker has for the partition of produce's records in "low". */
static int64_t committed(struct fixture *f) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    rd_kafka_topic_partition_list_add_range(list, "low", 0, PARTITIONS - 1);
    assert_int_equal(rd_kafka_committed(f->c->rk, list, DEADLINE_MS), 0);
    int64_t offset = -1;
    for (int i = 0; i < PARTITIONS; i++)
        offset = HX_MAX(offset, list->elems[i].offset);
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static void what_is_stored_is_committed_in_the_background(void **state) {
    struct fixture *f = *state;
    produce(f, "low", "ab");
    open_consumer(f);
    until(&f->mock, took(f, 2));
    until(&f->mock, committed(f) == 2);
    mock_freeze(&f->mock); /* nothing can be committed at the end */
    f->c = hx_consumer_close(f->c, 0);
    rd_kafka_mock_broker_set_rtt(f->mock.cluster, BROKER, 0);
    open_consumer(f);
    produce(f, "low", "c");
    memset(f->got, 0, sizeof(f->got));
    until(&f->mock, took(f, 1));
    assert_string_equal(f->got, "c");
}

static void bad_properties_are_named(void **state) {
    struct fixture *f = *state;
    static const char *const misspelt[] = { "max.pol.interval.ms=1" };
    static const char *const unfit[] = { "max.poll.interval.ms=1000", "session.timeout.ms=2000" };
    struct hx_kafka_error error = { 0 };
    assert_int_equal(new_consumer(f, NULL, misspelt, 1, &f->c, &error), -EINVAL);
    assert_non_null(strstr(error.message, "max.pol.interval.ms"));
    assert_int_equal(new_consumer(f, "slot-1", unfit, 2, &f->c, &error), -EINVAL);
    assert_non_null(strstr(error.message, "max.poll.interval.ms"));
    assert_null(f->c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(high_comes_before_low),
        TEST(low_comes_first_when_asked_for),
        TEST(ready_says_when_records_come),
        TEST(nothing_comes_while_paused),
        TEST(records_left_lying_are_told_again),
        TEST(what_is_stored_does_not_come_again),
        TEST(what_is_stored_is_committed_in_the_background),
        TEST(bad_properties_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
