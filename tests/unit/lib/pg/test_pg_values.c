/* Values to a real server and back, of each type. */
#include "tests/unit/lib/pg/live.h"

#include <stdio.h>

static const struct hx_pg_options defaults = { .timeout_ms = 10000, .depth = 4, .application_name = "test_pg_values" };

static const struct hx_uuid some_uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255 } };

static void check_scalars(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    if (error)
        fail_msg("%s %s", error->sqlstate, error->message);
    size_t n;
    assert_true(hx_pg_get_bool(tx, 0, 0, 0));
    assert_int_equal(hx_pg_get_int4(tx, 0, 0, 1), -7);
    assert_true(hx_pg_get_int8(tx, 0, 0, 2) == INT64_MIN);
    assert_string_equal(hx_pg_get_text(tx, 0, 0, 3, &n), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98");
    assert_int_equal(n, 11);
    assert_string_equal(hx_pg_get_text(tx, 0, 0, 4, NULL), "{\"a\": [1]}");
    struct hx_uuid u = hx_pg_get_uuid(tx, 0, 0, 5);
    assert_memory_equal(&u, &some_uuid, sizeof u);
    assert_true(hx_pg_get_time(tx, 0, 0, 6) == 1700000000123456);
    assert_string_equal(hx_pg_get_text(tx, 0, 0, 7, &n), "");
    assert_int_equal(n, 0);
    for (int col = 8; col < 13; col++)
        assert_true(hx_pg_is_null(tx, 0, 0, col));
    assert_true(hx_pg_get_time(tx, 0, 0, 12) == INT64_MIN);
    assert_null(hx_pg_get_text(tx, 0, 0, 8, NULL));
    assert_int_equal(hx_pg_get_int4(tx, 0, 0, 13), 2); /* of an int8 column and an int2 one */
    assert_int_equal(hx_pg_get_int8(tx, 0, 0, 14), -3);
    assert_true(hx_pg_is_null(tx, 0, 1, 0)); /* no such row, column, statement */
    assert_true(hx_pg_is_null(tx, 0, 0, 99));
    assert_int_equal(hx_pg_rows(tx, 1), 0);
    ++*(int *)user;
}

static void scalars_come_back(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct live l;
    live_open(&l, &defaults);
    static const struct hx_pg_stmt s = {
        "scalars", "select $1::bool, $2::int4, $3::int8, $4::text, ($5::jsonb)::text, $6::uuid, $7::timestamptz,"
                   " $8::varchar, $9::text, $10::int4, $11::uuid, $12::jsonb, $13::timestamptz, 2::int8, (-3)::int2"
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("scalars");
    hx_pg_tx_add(tx, &s);
    hx_pg_bool(tx, true);
    hx_pg_int4(tx, -7);
    hx_pg_int8(tx, INT64_MIN);
    hx_pg_text(tx, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98");
    hx_pg_jsonb(tx, "{\"a\":[1]}", 9);
    hx_pg_uuid(tx, &some_uuid);
    hx_pg_time(tx, 1700000000123456);
    hx_pg_text(tx, "");
    hx_pg_text(tx, NULL);
    hx_pg_null(tx);
    hx_pg_uuid(tx, NULL);
    hx_pg_jsonb(tx, NULL, 0);
    hx_pg_time(tx, INT64_MIN);
    int calls = 0;
    assert_int_equal(hx_pg_run(l.pg, tx, 0, check_scalars, &calls, NULL), HX_PG_OK);
    assert_int_equal(calls, 1);
    live_close(&l);
}

enum { MANY = 10000 };
static struct hx_uuid uuids[MANY];
static int32_t int4s[MANY];
static int64_t int8s[MANY], times[MANY];
static bool bools[MANY];
static const char *texts[MANY], *jsons[MANY];
static char text_store[MANY][24], json_store[MANY][32];

static void fill(void) {
    for (int i = 0; i < MANY; i++) {
        uuids[i] = hx_uuid_v7();
        int4s[i] = i % 10 == 9 ? INT32_MIN : i - 5000;
        int8s[i] = i % 10 == 8 ? INT64_MIN : (int64_t)i << 32;
        times[i] = i % 10 == 7 ? INT64_MIN : 1700000000000000 + i;
        bools[i] = i % 3 == 0;
        snprintf(text_store[i], sizeof text_store[i], "\xc3\xa4%d\xe2\x82\xac", i);
        snprintf(json_store[i], sizeof json_store[i], "{\"n\": %d}", i);
        texts[i] = i % 10 == 6 ? NULL : text_store[i];
        jsons[i] = i % 10 == 5 ? NULL : json_store[i];
    }
}

struct arrays {
    size_t n;
    int calls;
};

static void check_arrays(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct arrays *a = user;
    if (error)
        fail_msg("%s %s", error->sqlstate, error->message);
    assert_int_equal(hx_pg_rows(tx, 0), a->n);
    for (int i = 0; i < (int)a->n; i++) {
        struct hx_uuid u = hx_pg_get_uuid(tx, 0, i, 0);
        assert_true(hx_uuid_eq(&u, &uuids[i]));
        assert_int_equal(hx_pg_is_null(tx, 0, i, 1), int4s[i] == INT32_MIN);
        assert_int_equal(hx_pg_is_null(tx, 0, i, 2), int8s[i] == INT64_MIN);
        assert_true(hx_pg_is_null(tx, 0, i, 1) || hx_pg_get_int4(tx, 0, i, 1) == int4s[i]);
        assert_true(hx_pg_is_null(tx, 0, i, 2) || hx_pg_get_int8(tx, 0, i, 2) == int8s[i]);
        assert_int_equal(hx_pg_get_bool(tx, 0, i, 3), bools[i]);
        assert_true(hx_pg_get_time(tx, 0, i, 4) == times[i]);
        assert_true(hx_streq(hx_pg_get_text(tx, 0, i, 5, NULL), texts[i]));
        assert_true(hx_streq(hx_pg_get_text(tx, 0, i, 6, NULL), texts[i]));
        assert_true(hx_streq(hx_pg_get_text(tx, 0, i, 7, NULL), jsons[i]));
    }
    size_t n;
    struct hx_uuid *back = hx_pg_get_uuids(tx, 1, 0, 0, &n);
    assert_int_equal(n, a->n);
    assert_true(n == 0 ? back == NULL : memcmp(back, uuids, n * sizeof *back) == 0);
    free(back);
    a->calls++;
}

static void arrays_come_back(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt rows = {
        "rows", "select a, b, c, d, e, f, g, h::text from unnest($1::uuid[], $2::int4[], $3::int8[], $4::bool[], "
                "$5::timestamptz[],"
                " $6::text[], $7::varchar[], $8::jsonb[]) with ordinality as u(a, b, c, d, e, f, g, h, n) order by n"
    };
    static const struct hx_pg_stmt array = { "array", "select $1::uuid[]" };
    struct live l;
    live_open(&l, &defaults);
    fill();
    static const size_t sizes[] = { 0, 1, 10, MANY };
    for (size_t i = 0; i < HX_ARRAY_LEN(sizes); i++) {
        size_t n = sizes[i];
        struct arrays a = { .n = n };
        struct hx_pg_tx *tx = hx_pg_tx_new("arrays");
        hx_pg_tx_add(tx, &rows);
        hx_pg_uuids(tx, uuids, n);
        hx_pg_int4s(tx, int4s, n);
        hx_pg_int8s(tx, int8s, n);
        hx_pg_bools(tx, bools, n);
        hx_pg_times(tx, times, n);
        hx_pg_texts(tx, texts, n);
        hx_pg_texts(tx, texts, n);
        hx_pg_jsonbs(tx, jsons, n);
        hx_pg_tx_add(tx, &array);
        hx_pg_uuids(tx, uuids, n);
        assert_int_equal(hx_pg_run(l.pg, tx, 0, check_arrays, &a, NULL), HX_PG_OK);
        assert_int_equal(a.calls, 1);
    }
    live_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_come_back),
        cmocka_unit_test(arrays_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
