#include "lib/kafka/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

#include <stdlib.h>

static int setup(void **state) {
    *state = hx_progress_new();
    return 0;
}

static int teardown(void **state) {
    assert_null(hx_progress_free(*state));
    return 0;
}

/* The offset to store for partition 0 of "t" after n parts of the record are done; -1: none. */
static int64_t done(struct hx_progress *p, struct hx_in_flight *record, size_t n) {
    const char *topic = NULL;
    int32_t partition = -1;
    int64_t next = -1;
    if (!hx_progress_done(p, record, n, &topic, &partition, &next)) {
        assert_null(topic);
        return -1;
    }
    assert_string_equal(topic, "t");
    assert_int_equal(partition, 0);
    return next;
}

static void a_record_counts_when_all_its_parts_are_done(void **state) {
    struct hx_progress *p = *state;
    struct hx_in_flight *a = hx_progress_begin(p, "t", 0, 10, 3);
    assert_int_equal(hx_progress_records(p), 1);
    assert_int_equal(done(p, a, 1), -1);
    assert_int_equal(done(p, a, 0), -1);
    assert_int_equal(done(p, a, 2), 11);
    assert_int_equal(hx_progress_records(p), 0);
}

static void only_the_unbroken_run_from_the_front_counts(void **state) {
    struct hx_progress *p = *state;
    struct hx_in_flight *a = hx_progress_begin(p, "t", 0, 1, 1), *b = hx_progress_begin(p, "t", 0, 2, 1),
                        *c = hx_progress_begin(p, "t", 0, 5, 1), *d = hx_progress_begin(p, "t", 0, 6, 1);
    assert_int_equal(done(p, c, 1), -1);
    assert_int_equal(done(p, b, 1), -1);
    assert_int_equal(hx_progress_records(p), 4);
    assert_int_equal(done(p, a, 1), 6);
    assert_int_equal(hx_progress_records(p), 1);
    assert_int_equal(done(p, d, 1), 7);
}

static void a_record_of_nothing_is_done_at_once(void **state) {
    struct hx_progress *p = *state;
    assert_int_equal(done(p, hx_progress_begin(p, "t", 0, 4, 0), 0), 5);
    struct hx_in_flight *a = hx_progress_begin(p, "t", 0, 5, 1);
    assert_int_equal(done(p, hx_progress_begin(p, "t", 0, 6, 0), 0), -1); /* behind one that isn't done */
    hx_progress_begin(p, "t", 0, 7, 0);                                   /* and one that nobody asks about */
    assert_int_equal(done(p, a, 1), 8);
}

static void partitions_are_apart(void **state) {
    struct hx_progress *p = *state;
    const char *topic;
    int32_t partition;
    int64_t next;
    struct hx_in_flight *a = hx_progress_begin(p, "t", 0, 1, 1), *b = hx_progress_begin(p, "t", 1, 1, 1),
                        *c = hx_progress_begin(p, "u", 0, 1, 1);
    assert_true(hx_progress_done(p, b, 1, &topic, &partition, &next));
    assert_string_equal(topic, "t");
    assert_int_equal(partition, 1);
    assert_true(hx_progress_done(p, c, 1, &topic, &partition, &next));
    assert_string_equal(topic, "u");
    assert_int_equal(partition, 0);
    assert_int_equal(done(p, a, 1), 2);
}

static void a_dropped_partition_stores_nothing(void **state) {
    struct hx_progress *p = *state;
    struct hx_in_flight *a = hx_progress_begin(p, "t", 0, 1, 2), *b = hx_progress_begin(p, "t", 0, 2, 1),
                        *c = hx_progress_begin(p, "t", 0, 3, 1);
    assert_int_equal(done(p, b, 1), -1);
    hx_progress_drop(p, "t", 0);
    hx_progress_drop(p, "t", 0);
    hx_progress_drop(p, "t", 7);
    assert_int_equal(hx_progress_records(p), 0);
    struct hx_in_flight *again = hx_progress_begin(p, "t", 0, 1, 1); /* it came back to us */
    assert_int_equal(done(p, a, 1), -1);
    assert_int_equal(done(p, a, 1), -1);
    assert_int_equal(hx_progress_records(p), 1);
    assert_int_equal(done(p, again, 1), 2);
    assert_int_equal(done(p, c, 1), -1);
}

static void drops_in_any_order_are_let_go_of(void **state) {
    struct hx_progress *p = *state;
    struct hx_in_flight *records[5];
    for (int i = 0; i < 5; i++) {
        records[i] = hx_progress_begin(p, "t", 0, i, 1);
        hx_progress_drop(p, "t", 0);
    }
    static const int order[] = { 2, 4, 0, 3 }; /* the last is left to hx_progress_free */
    for (size_t i = 0; i < HX_ARRAY_LEN(order); i++)
        assert_int_equal(done(p, records[order[i]], 1), -1);
    assert_int_equal(hx_progress_records(p), 0);
}

enum { TOPICS = 20, PARTITIONS = 30, RECORDS = 40, ALL = TOPICS * PARTITIONS * RECORDS };

struct taken {
    struct hx_in_flight *record;
    int topic, partition, number;
};

static void shuffle(struct taken *all) {
    srand(1);
    for (int i = ALL - 1; i > 0; i--) {
        int j = rand() % (i + 1);
        struct taken t = all[i];
        all[i] = all[j];
        all[j] = t;
    }
}

/* Against the obvious way of counting: 600 partitions, 24,000 records, done in random order. */
static void many_records_of_many_partitions(void **state) {
    struct hx_progress *p = *state;
    struct taken *all = hx_allocn(ALL, sizeof(*all));
    static bool finished[TOPICS][PARTITIONS][RECORDS];
    static int stored[TOPICS][PARTITIONS];
    char name[24];
    int n = 0;
    for (int r = 0; r < RECORDS; r++)
        for (int t = 0; t < TOPICS; t++)
            for (int q = 0; q < PARTITIONS; q++) {
                snprintf(name, sizeof(name), "topic%d", t);
                all[n++] = (struct taken){ hx_progress_begin(p, name, q, r, 1), t, q, r };
            }
    assert_int_equal(hx_progress_records(p), ALL);
    shuffle(all);
    for (int i = 0; i < ALL; i++) {
        const struct taken *one = &all[i];
        const char *topic;
        int32_t partition;
        int64_t next;
        bool moved = hx_progress_done(p, one->record, 1, &topic, &partition, &next);
        finished[one->topic][one->partition][one->number] = true;
        int front = stored[one->topic][one->partition];
        while (front < RECORDS && finished[one->topic][one->partition][front])
            front++;
        assert_int_equal(moved, front != stored[one->topic][one->partition]);
        if (moved) {
            assert_int_equal(partition, one->partition);
            assert_int_equal(next, front);
        }
        stored[one->topic][one->partition] = front;
    }
    assert_int_equal(hx_progress_records(p), 0);
    free(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_counts_when_all_its_parts_are_done, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_unbroken_run_from_the_front_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_of_nothing_is_done_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(partitions_are_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dropped_partition_stores_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_in_any_order_are_let_go_of, setup, teardown),
        cmocka_unit_test_setup_teardown(many_records_of_many_partitions, setup, teardown),
    };
    assert_null(hx_progress_free(NULL));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
