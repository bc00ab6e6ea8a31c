/* The announcer against a Kafka that does as it is told. */
#include "producer/announce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/kafka/record.h"
#include "tests/unit/fake_producer.h"
#include "tests/unit/slept.h"

#include <stdlib.h>

enum { NOT_ENOUGH_REPLICAS = 19 };

const char *hx_config_string(const struct hx_config *c, enum hx_key key) {
    (void)c;
    return key == HX_KAFKA_TOPIC_PREFIX ? "p" : "localhost";
}

const char *const *hx_config_list(const struct hx_config *c, enum hx_key key, size_t *ret_n) {
    (void)c, (void)key;
    *ret_n = 0;
    return NULL;
}

/* ---- tests ---- */

static struct announcer *announcer(void) {
    struct announcer *a;
    struct hx_kafka_error error;
    assert_int_equal(announcer_new(NULL, NULL, &a, &error), 0);
    type_cache_add(announcer_types(a), "many", "default", 50);
    type_cache_add(announcer_types(a), "media", "video", 1);
    type_cache_sort(announcer_types(a));
    return a;
}

/* A batch of jobs of one type, whose row of the outbox is that. */
static void publish(struct announcer *a, int64_t row, const char *type, size_t n) {
    struct announcement items[120];
    assert_true(n <= HX_ARRAY_LEN(items));
    for (size_t i = 0; i < n; i++)
        items[i] = (struct announcement){ .type = type, .id = hx_uuid_v7() };
    announcer_publish(a, row, items, n);
}

static size_t take(struct announcer *a, int64_t out[8]) {
    int64_t *ids;
    size_t n = announcer_take_delivered(a, &ids);
    assert_true(n <= 8);
    if (n > 0)
        memcpy(out, ids, n * sizeof(*ids));
    free(ids);
    return n;
}

static struct hx_announcement announced(size_t record) {
    struct hx_announcement a;
    const char *why;
    assert_int_equal(hx_announcement_decode(records[record].data.data, records[record].data.len, &a, &why), 0);
    return a;
}

static void records_are_of_one_type_and_band(void **state) {
    (void)state;
    struct announcer *a = announcer();
    struct announcement items[130];
    for (size_t i = 0; i < 130; i++)
        items[i] =
            (struct announcement){ .type = i % 13 == 0 ? "media" : "many", .high = i % 13 == 1, .id = hx_uuid_v7() };
    announcer_publish(a, 5, items, 130);
    /* 110 of the one type in low, 10 in high, 10 of the other one by one */
    assert_int_equal(record_count, 3 + 1 + 10);
    size_t total = 0;
    for (size_t i = 0; i < record_count; i++) {
        struct hx_announcement said = announced(i);
        bool media = hx_streq(said.type, "media");
        assert_true(said.count <= (media ? 1 : 50));
        assert_true(hx_streq(records[i].topic, media ? "p.jobs.video" : "p.jobs.default") ||
                    hx_streq(records[i].topic, "p.jobs.default.high"));
        total += said.count;
    }
    assert_int_equal(total, 130);
    announcer_free(a);
}

/* Each batch is one partition's, but for jobs that take a slot: those are for as many workers as there are. */
static void a_batch_of_builtins_stays_together(void **state) {
    (void)state;
    struct announcer *a = announcer();
    publish(a, 5, "many", 120);
    publish(a, 6, "many", 2);
    publish(a, 7, "media", 3);
    publish(a, 8, "media", 2);
    static const bool stayed[] = { false, true, true, false, false, false, false, false, false };
    assert_int_equal(record_count, HX_ARRAY_LEN(stayed)); /* 50 + 50 + 20, 2; 1 + 1 + 1, 1 + 1 */
    for (size_t i = 0; i < record_count; i++)
        assert_int_equal(records[i].stayed, stayed[i]);
    announcer_free(a);
}

static void a_row_is_done_when_all_records_are(void **state) {
    (void)state;
    struct announcer *a = announcer();
    int64_t ids[8];
    publish(a, 5, "many", 120);
    publish(a, 6, "many", 1);
    assert_int_equal(record_count, 4);
    delivered(0);
    delivered(2);
    assert_int_equal(take(a, ids), 0);
    assert_true(announcer_is_busy(a));
    delivered(3);
    delivered(1);
    assert_int_equal(take(a, ids), 2);
    assert_int_equal(ids[0], 6);
    assert_int_equal(ids[1], 5);
    assert_false(announcer_is_busy(a));
    assert_int_equal(announcer_left(a), 0);
    announcer_free(a);
}

static void what_failed_is_left_to_the_relay(void **state) {
    (void)state;
    struct announcer *a = announcer();
    int64_t ids[8];
    publish(a, 5, "many", 60);
    refused(0, NOT_ENOUGH_REPLICAS);
    delivered(1);
    assert_int_equal(take(a, ids), 0);
    assert_false(announcer_is_busy(a));
    assert_int_equal(announcer_left(a), 1);
    announcer_free(a);
}

static void a_full_queue_is_no_error(void **state) {
    (void)state;
    struct announcer *a = announcer();
    int64_t ids[8];
    room = 1;
    publish(a, 5, "many", 120);
    publish(a, 6, "many", 1);
    assert_int_equal(record_count, 1);
    assert_int_equal(announcer_left(a), 2);
    delivered(0);
    assert_int_equal(take(a, ids), 0);
    assert_int_equal(announcer_left(a), 2);
    assert_false(announcer_is_busy(a));
    announcer_free(a);
}

/* What Kafka does not take is the relay's, and would only fill the client's queue. */
static void nothing_more_is_produced_while_kafka_is_silent(void **state) {
    (void)state;
    struct announcer *a = announcer();
    int64_t ids[8];
    stop_clock(CLOCK_MONOTONIC);
    publish(a, 5, "many", 1);
    stopped_at.tv_sec += 2;
    publish(a, 6, "many", 1);
    assert_int_equal(record_count, 1);
    assert_int_equal(announcer_left(a), 2);
    delivered(0);
    publish(a, 7, "many", 1);
    assert_int_equal(record_count, 2);
    assert_int_equal(take(a, ids), 1);
    assert_int_equal(ids[0], 5);
    start_clock();
    announcer_free(a);
}

static void rows_come_back(void **state) {
    (void)state;
    struct announcer *a = announcer();
    int64_t ids[8], given[] = { 3, 4 };
    announcer_give_back(a, given, 2);
    announcer_give_back(a, NULL, 0);
    assert_int_equal(take(a, ids), 2);
    assert_int_equal(take(a, ids), 0);
    announcer_free(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_of_one_type_and_band),
        cmocka_unit_test(a_batch_of_builtins_stays_together),
        cmocka_unit_test(a_row_is_done_when_all_records_are),
        cmocka_unit_test(what_failed_is_left_to_the_relay),
        cmocka_unit_test(a_full_queue_is_no_error),
        cmocka_unit_test(nothing_more_is_produced_while_kafka_is_silent),
        cmocka_unit_test(rows_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
