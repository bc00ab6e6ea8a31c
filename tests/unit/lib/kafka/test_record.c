#include "lib/kafka/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void survives_the_way_there_and_back(void **state) {
    (void)state;
    static const size_t counts[] = { 1, 2, 50, 255, 256, HX_ANNOUNCE_MAX };
    static struct hx_uuid ids[HX_ANNOUNCE_MAX];
    for (size_t i = 0; i < HX_ANNOUNCE_MAX; i++)
        ids[i] = hx_uuid_v7();
    for (size_t i = 0; i < HX_ARRAY_LEN(counts); i++) {
        _cleanup_buf_ struct hx_buf record = { 0 };
        assert_int_equal(hx_announcement_encode(&record, "thumbnail", ids, counts[i]), 0);
        assert_int_equal(record.len, 5 + 9 + 2 + 16 * counts[i]);
        struct hx_announcement a;
        const char *why = NULL;
        assert_int_equal(hx_announcement_decode(record.data, record.len, &a, &why), 0);
        assert_string_equal(a.type, "thumbnail");
        assert_int_equal(a.count, counts[i]);
        for (size_t n = 0; n < counts[i]; n++) {
            struct hx_uuid id = hx_announcement_id(&a, n);
            assert_true(hx_uuid_eq(&id, &ids[n]));
        }
    }
}

static void has_the_documented_bytes(void **state) {
    (void)state;
    struct hx_uuid id;
    for (uint8_t i = 0; i < 16; i++)
        id.b[i] = (uint8_t)(0xa0 + i);
    static const uint8_t expected[] = { 'H',  'X',  1,    1,    2,    'a',  'b',  0,    1,    0xa0, 0xa1, 0xa2, 0xa3,
                                        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
    _cleanup_buf_ struct hx_buf record = { 0 };
    assert_int_equal(hx_announcement_encode(&record, "ab", &id, 1), 0);
    assert_int_equal(record.len, sizeof(expected));
    assert_memory_equal(record.data, expected, sizeof(expected));
}

static void is_not_made_out_of_bounds(void **state) {
    (void)state;
    static struct hx_uuid ids[HX_ANNOUNCE_MAX + 1];
    char type[102];
    memset(type, 't', sizeof(type));
    type[101] = '\0';
    _cleanup_buf_ struct hx_buf record = { 0 };
    assert_int_equal(hx_announcement_encode(&record, "", ids, 1), -EINVAL);
    assert_int_equal(hx_announcement_encode(&record, type, ids, 1), -EINVAL);
    assert_int_equal(hx_announcement_encode(&record, "t", ids, 0), -EINVAL);
    assert_int_equal(hx_announcement_encode(&record, "t", ids, HX_ANNOUNCE_MAX + 1), -EINVAL);
    assert_int_equal(record.len, 0);
    type[100] = '\0';
    assert_int_equal(hx_announcement_encode(&record, type, ids, 1), 0);
}

/* A well-formed record of two ids of type "ab", to be spoilt. */
enum { GOOD_SIZE = 5 + 2 + 2 + 32 };
static void good_record(uint8_t out[GOOD_SIZE + 1]) {
    memcpy(out, "HX\1\1\2ab\0\2", 9);
    memset(out + 9, 7, 33);
}

static void is_refused(const void *data, size_t size, const char *expected) {
    struct hx_announcement a;
    const char *why = NULL;
    assert_int_equal(hx_announcement_decode(data, size, &a, &why), -EINVAL);
    assert_string_equal(why, expected);
}

static void every_malformed_record_is_refused(void **state) {
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
        const char *why;
    } cases[] = {
        { 0, 'h', "not an announcement" },
        { 1, 'Y', "not an announcement" },
        { 2, 0, "unknown version" },
        { 2, 9, "unknown version" },
        { 3, 0, "unknown kind" },
        { 3, 2, "unknown kind" },
        { 4, 0, "type must have 1 to 100 bytes" },
        { 4, 101, "type must have 1 to 100 bytes" },
        { 4, 255, "type must have 1 to 100 bytes" },
        { 4, 100, "truncated" },
        { 5, 0, "type is not text" },
        { 6, 0x80, "type is not text" },
        { 7, 4, "count must be 1 to 1000" },
        { 8, 0, "count must be 1 to 1000" },
        { 8, 3, "truncated" },
        { 8, 1, "bytes behind the last id" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        uint8_t record[GOOD_SIZE + 1];
        good_record(record);
        record[cases[i].at] = cases[i].byte;
        is_refused(record, GOOD_SIZE, cases[i].why);
    }
}

static void every_other_length_is_refused(void **state) {
    (void)state;
    uint8_t record[GOOD_SIZE + 1];
    good_record(record);
    is_refused(NULL, 0, "not an announcement");
    for (size_t size = 1; size < GOOD_SIZE; size++) {
        uint8_t *exact = hx_alloc(size); /* so that a sanitizer sees a byte read too many */
        memcpy(exact, record, size);
        is_refused(exact, size, size < 2 ? "not an announcement" : "truncated");
        free(exact);
    }
    is_refused(record, GOOD_SIZE + 1, "bytes behind the last id");
    struct hx_announcement a;
    const char *why;
    assert_int_equal(hx_announcement_decode(record, GOOD_SIZE, &a, &why), 0);
}

static void a_count_over_the_limit_is_refused(void **state) {
    (void)state;
    size_t count = HX_ANNOUNCE_MAX + 1, size = 5 + 1 + 2 + count * 16;
    uint8_t *record = hx_alloc(size);
    memcpy(record, (uint8_t[]){ 'H', 'X', 1, 1, 1, 't', (uint8_t)(count >> 8), (uint8_t)count }, 8);
    is_refused(record, size, "count must be 1 to 1000");
    free(record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_the_way_there_and_back), cmocka_unit_test(has_the_documented_bytes),
        cmocka_unit_test(is_not_made_out_of_bounds),       cmocka_unit_test(every_malformed_record_is_refused),
        cmocka_unit_test(every_other_length_is_refused),   cmocka_unit_test(a_count_over_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
