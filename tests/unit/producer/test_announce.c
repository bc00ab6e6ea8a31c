/* The announcer against a Kafka that does as it is told. */
#include "producer/announce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"
#include "lib/kafka/producer.h"
#include "lib/kafka/record.h"

#include <errno.h>
#include <string.h>

/* ---- the fakes ---- */

enum { RECORDS_MAX = 4096 };

static struct {
    char topic[HX_TOPIC_SIZE];
    char type[101];
    size_t count;
    struct hx_uuid first;
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
    delivery = cb;
    delivery_user = user;
    *ret = NULL;
    return 0;
}

struct hx_producer *hx_producer_free(struct hx_producer *p, int timeout_ms) {
    (void)p, (void)timeout_ms;
    return NULL;
}

void hx_producer_topic(struct hx_producer *p, const char *topic) {
    (void)p, (void)topic;
}

void hx_producer_stay(struct hx_producer *p, bool stay) {
    (void)p;
    staying = stay;
}

int hx_producer_send(struct hx_producer *p, const char *topic, const char *key, const void *data, size_t size,
                     void *record_user, struct hx_kafka_error *reterr) {
    (void)p, (void)key, (void)reterr;
    struct hx_announcement a;
    const char *why;
    if (record_count == room)
        return -EAGAIN;
    assert_int_equal(hx_announcement_decode(data, size, &a, &why), 0);
    hx_strcopy(records[record_count].topic, HX_TOPIC_SIZE, topic);
    memcpy(records[record_count].type, a.type, sizeof(a.type));
    records[record_count].count = a.count;
    records[record_count].first = hx_announcement_id(&a, 0);
    records[record_count].stayed = staying;
    records[record_count++].user = record_user;
    return 0;
}

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
    record_count = 0;
    room = RECORDS_MAX;
    assert_int_equal(announcer_new(NULL, NULL, &a, &error), 0);
    type_cache_add(announcer_types(a), "many", "default", 50);
    type_cache_add(announcer_types(a), "media", "video", 1);
    type_cache_sort(announcer_types(a));
    return a;
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

static void deliver(size_t record, bool ok) {
    delivery(ok, NULL, records[record].user, delivery_user);
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
        bool media = hx_streq(records[i].type, "media");
        assert_true(records[i].count <= (media ? 1 : 50));
        assert_true(hx_streq(records[i].topic, media ? "p.jobs.video" : "p.jobs.default") ||
                    hx_streq(records[i].topic, "p.jobs.default.high"));
        total += records[i].count;
    }
    assert_int_equal(total, 130);
    announcer_free(a);
}

/* Each batch is one partition's, but for jobs that take a slot: those are for as many workers as there are. */
static void a_batch_of_builtins_stays_together(void **state) {
    (void)state;
    struct announcer *a = announcer();
    struct announcement items[120];
    for (int media = 0; media < 2; media++) {
        for (size_t i = 0; i < 120; i++)
            items[i] = (struct announcement){ .type = media ? "media" : "many", .id = hx_uuid_v7() };
        announcer_publish(a, 5, items, media ? 3 : 120);
        announcer_publish(a, 6, items, 2);
    }
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
    struct announcement items[120];
    for (size_t i = 0; i < 120; i++)
        items[i] = (struct announcement){ .type = "many", .id = hx_uuid_v7() };
    announcer_publish(a, 5, items, 120);
    announcer_publish(a, 6, items, 1);
    assert_int_equal(record_count, 4);
    deliver(0, true);
    deliver(2, true);
    assert_int_equal(take(a, ids), 0);
    assert_true(announcer_is_busy(a));
    deliver(3, true);
    deliver(1, true);
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
    struct announcement items[60];
    for (size_t i = 0; i < 60; i++)
        items[i] = (struct announcement){ .type = "many", .id = hx_uuid_v7() };
    announcer_publish(a, 5, items, 60);
    deliver(0, false);
    deliver(1, true);
    assert_int_equal(take(a, ids), 0);
    assert_false(announcer_is_busy(a));
    assert_int_equal(announcer_left(a), 1);
    announcer_free(a);
}

static void a_full_queue_is_no_error(void **state) {
    (void)state;
    struct announcer *a = announcer();
    int64_t ids[8];
    struct announcement items[120];
    for (size_t i = 0; i < 120; i++)
        items[i] = (struct announcement){ .type = "many", .id = hx_uuid_v7() };
    room = 1;
    announcer_publish(a, 5, items, 120);
    announcer_publish(a, 6, items, 1);
    assert_int_equal(record_count, 1);
    assert_int_equal(announcer_left(a), 2);
    deliver(0, true);
    assert_int_equal(take(a, ids), 0);
    assert_int_equal(announcer_left(a), 2);
    assert_false(announcer_is_busy(a));
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
        cmocka_unit_test(records_are_of_one_type_and_band),   cmocka_unit_test(a_batch_of_builtins_stays_together),
        cmocka_unit_test(a_row_is_done_when_all_records_are), cmocka_unit_test(what_failed_is_left_to_the_relay),
        cmocka_unit_test(a_full_queue_is_no_error),           cmocka_unit_test(rows_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
