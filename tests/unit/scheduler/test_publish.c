/* What becomes of rows of the outbox when Kafka has their records, or hasn't, with a ledger and a Kafka that do as they are told. */
#include "tests/unit/scheduler/fake_outbox.h"

enum { MESSAGE_TOO_LARGE = 10, NOT_ENOUGH_REPLICAS = 19 };

void topics_doubt(struct topics *t) {
    (void)t;
}

const char *hx_config_string(const struct hx_config *c, enum hx_key key) {
    (void)c;
    assert_int_equal(key, HX_KAFKA_TOPIC_PREFIX);
    return "p";
}

/* ---- tests ---- */

static void add_job(int64_t row, const char *type, int32_t most) {
    jobs[job_count++] = (struct hx_relay_job){
        .outbox_id = row, .id = hx_uuid_v7(), .type = type, .queue = "default", .announce = most
    };
}

/* The relay takes these rows and sends the records of the jobs. */
static void relay(const int64_t *rows, size_t n, const char *taken) {
    outbox = rows;
    outbox_rows = n;
    relay_open(scheduler.relay);
    check_asked("relay: take");
    answer(NULL);
    check_asked(taken);
    answer(NULL);
    outbox_rows = 0;
}

/* What the relay writes down next, beside asking for more. */
static void check_next(const char *expected) {
    check_asked(expected);
    answer(NULL);
}

static void what_kafka_has_is_struck_off(void **state) {
    (void)state;
    add_job(7, "a", 1);
    relay((int64_t[]){ 7 }, 1, "relay jobs: 7");
    assert_int_equal(record_count, 1);
    check_next("relay: take"); /* not yet */
    delivered(0);
    check_next("relay: done 7 take");
    assert_true(relay_idle(scheduler.relay));
}

static void what_kafka_refused_is_sent_again(void **state) {
    (void)state;
    add_job(7, "a", 1);
    relay((int64_t[]){ 7 }, 1, "relay jobs: 7");
    check_next("relay: take");
    refused(0, NOT_ENOUGH_REPLICAS);
    check_next("relay: take");
    assert_true(relay_idle(scheduler.relay));
    assert_int_equal(scheduler.relayed, 0);
    relay((int64_t[]){ 7 }, 1, "relay jobs: 7"); /* due again */
    assert_int_equal(record_count, 2);
    check_next("relay: take");
    delivered(1);
    check_next("relay: done 7 take");
}

/* Whichever report comes last. */
static void one_refused_record_keeps_its_row(void **state) {
    (void)state;
    add_job(7, "a", 1);
    add_job(7, "b", 1);
    for (size_t from = 0; from < 4; from += 2) {
        relay((int64_t[]){ 7 }, 1, "relay jobs: 7");
        assert_int_equal(record_count, from + 2);
        check_next("relay: take");
        if (from)
            delivered(from);
        refused(from + 1, NOT_ENOUGH_REPLICAS);
        if (!from)
            delivered(from);
        check_next("relay: take");
        assert_true(relay_idle(scheduler.relay));
    }
}

static void all_rows_of_a_refused_record_stay(void **state) {
    (void)state;
    add_job(7, "a", 2);
    add_job(8, "a", 2);
    add_job(9, "b", 2);
    relay((int64_t[]){ 9, 8, 7 }, 3, "relay jobs: 7 8 9");
    assert_int_equal(record_count, 2);
    check_next("relay: take");
    refused(0, NOT_ENOUGH_REPLICAS);
    delivered(1);
    check_next("relay: done 9 take");
    assert_true(relay_idle(scheduler.relay));
}

static void what_finds_no_room_stays(void **state) {
    (void)state;
    room = 0;
    add_job(7, "a", 1);
    relay((int64_t[]){ 7 }, 1, "relay jobs: 7");
    check_next("relay: take");
    assert_true(relay_idle(scheduler.relay));
    assert_int_equal(scheduler.relayed, 0);
}

/* It would be refused for ever, and those behind it with it; its jobs are in the ledger. */
static void what_is_too_long_for_the_broker_is_dropped(void **state) {
    (void)state;
    add_job(7, "a", 1);
    relay((int64_t[]){ 7 }, 1, "relay jobs: 7");
    check_next("relay: take");
    refused(0, MESSAGE_TOO_LARGE);
    check_next("relay: done 7 take");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_kafka_has_is_struck_off, begin, end),
        cmocka_unit_test_setup_teardown(what_kafka_refused_is_sent_again, begin, end),
        cmocka_unit_test_setup_teardown(one_refused_record_keeps_its_row, begin, end),
        cmocka_unit_test_setup_teardown(all_rows_of_a_refused_record_stay, begin, end),
        cmocka_unit_test_setup_teardown(what_finds_no_room_stays, begin, end),
        cmocka_unit_test_setup_teardown(what_is_too_long_for_the_broker_is_dropped, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
