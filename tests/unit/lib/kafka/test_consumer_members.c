/* Membership in the group. */
#include "tests/unit/lib/kafka/consumer_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_second_member_takes_its_share(void **state) {
    struct fixture *f = *state;
    open_consumer(f);
    until(&f->mock, hx_consumer_assigned(f->c));
    assert_int_equal(f->revoked, 0);
    struct hx_consumer *other;
    assert_int_equal(new_consumer(f, NULL, quick, HX_ARRAY_LEN(quick), &other, NULL), 0);
    until(&f->mock, f->revoked >= 2 * PARTITIONS && hx_consumer_assigned(f->c) && hx_consumer_assigned(other));
    int before = f->revoked;
    hx_consumer_store(f->c, "low", 0, 1); /* one of these two isn't ours, one topic is nobody's: ignored */
    hx_consumer_store(f->c, "low", 1, 1);
    hx_consumer_store(f->c, "none", 0, 1);
    hx_consumer_close(other, DEADLINE_MS);
    until(&f->mock, f->revoked > before && hx_consumer_assigned(f->c));
}

/* The mock cluster would forget both a quarter of a second after the rebalance should have ended. */
static void a_machine_that_stands_still_in_a_rebalance_costs_nobody_its_share(void **state) {
    struct fixture *f = *state;
    struct hx_consumer *other;
    open_consumer(f);
    until(&f->mock, hx_consumer_assigned(f->c));
    assert_int_equal(new_consumer(f, NULL, quick, HX_ARRAY_LEN(quick), &other, NULL), 0);
    until(&f->mock, f->revoked >= 2 * PARTITIONS);
    run_for(&f->mock, 1200);
    pid_t waker = fork();
    if (waker == 0) {
        poll(NULL, 0, 1500);
        _exit(kill(getppid(), SIGCONT));
    }
    raise(SIGSTOP);
    assert_int_equal(waitpid(waker, NULL, 0), waker);
    until(&f->mock, hx_consumer_assigned(f->c) && hx_consumer_assigned(other));
    hx_consumer_close(other, DEADLINE_MS);
}

/* max.poll.interval.ms, the client's own, must not be less than the session timeout, which quickened would be none to count on. */
static int setup_by_the_clock(void **state) {
    return open_fixture(state, false);
}

static void membership_survives_idleness(void **state) {
    struct fixture *f = *state;
    static const char *const strict[] = { "session.timeout.ms=3500", "heartbeat.interval.ms=200",
                                          "max.poll.interval.ms=3500" };
    assert_int_equal(new_consumer(f, NULL, strict, HX_ARRAY_LEN(strict), &f->c, NULL), 0);
    until(&f->mock, hx_consumer_assigned(f->c));
    hx_consumer_pause(f->c, true);
    run_for(&f->mock, 5000);
    assert_int_equal(f->revoked, 0);
    assert_int_equal(f->errors, 0);
}

static void a_fenced_member_goes_on_as_a_dynamic_one(void **state) {
    struct fixture *f = *state;
    assert_int_equal(new_consumer(f, "slot-1", quick, HX_ARRAY_LEN(quick), &f->c, NULL), 0);
    until(&f->mock, hx_consumer_assigned(f->c));
    rd_kafka_mock_push_request_errors(f->mock.cluster, HEARTBEAT_REQUEST, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    until(&f->mock, f->revoked >= 2 * PARTITIONS);
    assert_int_equal(f->fatal, 0);
    assert_int_equal(f->errors, 1);
    produce(f, "low", "a");
    until(&f->mock, took(f, 1));
    assert_string_equal(f->got, "a");
}

static void one_that_leaves_gives_its_partitions_up_at_once(void **state) {
    struct fixture *f = *state;
    assert_int_equal(new_consumer(f, "slot-1", quick, HX_ARRAY_LEN(quick), &f->c, NULL), 0);
    produce(f, "low", "ab");
    until(&f->mock, took(f, 2));
    produce(f, "low", "c"); /* fetched ahead, or not: nobody takes it */
    hx_consumer_leave(f->c);
    hx_consumer_leave(f->c);
    f->ready = 0;
    until(&f->mock, f->revoked >= 2 * PARTITIONS && !hx_consumer_assigned(f->c));
    struct hx_consumer *old = HX_TAKE(f->c);
    open_consumer(f);
    memset(f->got, 0, sizeof(f->got));
    until(&f->mock, took(f, 1)); /* long before a session timeout, and what was stored isn't told again */
    assert_string_equal(f->got, "c");
    assert_false(hx_consumer_assigned(old));
    assert_int_equal(f->fatal, 0);
    hx_consumer_close(old, DEADLINE_MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_second_member_takes_its_share),
        TEST(a_machine_that_stands_still_in_a_rebalance_costs_nobody_its_share),
        cmocka_unit_test_setup_teardown(membership_survives_idleness, setup_by_the_clock, teardown),
        TEST(a_fenced_member_goes_on_as_a_dynamic_one),
        TEST(one_that_leaves_gives_its_partitions_up_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
