/* Brokers that go away, and the end. */
#include "tests/unit/lib/kafka/consumer_fixture.h"

static void an_absent_broker_is_reported_once_and_comes_back(void **state) {
    struct fixture *f = *state;
    open_consumer(f);
    until(&f->mock, hx_consumer_assigned(f->c));
    mock_down(&f->mock);
    until(&f->mock, f->errors > 0);
    run_for(&f->mock, 1500);
    assert_int_equal(f->repeated, 0); /* though librdkafka repeats each kind */
    assert_int_equal(f->fatal, 0);
    mock_up(&f->mock);
    produce(f, "low", "a");
    until(&f->mock, took(f, 1));
}

static void it_waits_for_a_broker_that_is_not_there_yet(void **state) {
    struct fixture *f = *state;
    mock_down(&f->mock);
    open_consumer(f);
    until(&f->mock, f->errors > 0);
    assert_false(hx_consumer_assigned(f->c));
    mock_up(&f->mock);
    until(&f->mock, hx_consumer_assigned(f->c));
}

static void the_end_comes_in_time(struct fixture *f) {
    int64_t start = hx_mono_ms();
    f->c = hx_consumer_close(f->c, 500);
    assert_in_range(hx_mono_ms() - start, 0, DEADLINE_MS);
}

static void the_end_comes_in_time_with_a_dead_broker(void **state) {
    struct fixture *f = *state;
    produce(f, "low", "ab");
    open_consumer(f);
    until(&f->mock, took(f, 2)); /* with offsets that can't be committed any more */
    mock_down(&f->mock);
    the_end_comes_in_time(f);
}

static void the_end_comes_in_time_with_a_mute_broker(void **state) {
    struct fixture *f = *state;
    produce(f, "low", "ab");
    open_consumer(f);
    until(&f->mock, took(f, 2));
    mock_freeze(&f->mock);
    the_end_comes_in_time(f);
}

static void the_end_comes_in_time_when_it_never_began(void **state) {
    struct fixture *f = *state;
    mock_down(&f->mock);
    open_consumer(f);
    the_end_comes_in_time(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_absent_broker_is_reported_once_and_comes_back), TEST(it_waits_for_a_broker_that_is_not_there_yet),
        TEST(the_end_comes_in_time_with_a_dead_broker),         TEST(the_end_comes_in_time_with_a_mute_broker),
        TEST(the_end_comes_in_time_when_it_never_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
