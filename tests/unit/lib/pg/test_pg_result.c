/* Reading results that a server would not send: wrong lengths, nulls in arrays, the ends of time. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"

#include <libpq-fe.h>

static const struct hx_pg_stmt stmt = { "s", "select 1" };

/* A transaction whose only result is one row of one column with these bytes; bytes NULL: null. */
static struct hx_pg_tx *with(const char *bytes, int n) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_pg_tx_add(tx, &stmt);
    PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc column = { .name = (char[]){ "c" }, .format = 1 };
    assert_true(PQsetResultAttrs(r, 1, &column));
    assert_true(PQsetvalue(r, 0, 0, (char *)bytes, bytes ? n : -1));
    tx->statements[0].result = r;
    return tx;
}

static int64_t int8_of(const char *bytes, int n) {
    struct hx_pg_tx *tx = with(bytes, n);
    int64_t v = hx_pg_get_int8(tx, 0, 0, 0);
    hx_pg_tx_free(tx);
    return v;
}

static int64_t time_of(const char *bytes) {
    struct hx_pg_tx *tx = with(bytes, 8);
    int64_t v = hx_pg_get_time(tx, 0, 0, 0);
    hx_pg_tx_free(tx);
    return v;
}

static void reads_integers_of_any_width(void **state) {
    (void)state;
    assert_int_equal(int8_of("\xff\xfe", 2), -2);
    assert_int_equal(int8_of("\xff\xff\xff\xfd", 4), -3);
    assert_true(int8_of("\x80\0\0\0\0\0\0\0", 8) == INT64_MIN);
    assert_int_equal(int8_of("\1\1\1", 3), 0);
    assert_int_equal(int8_of(NULL, 0), 0);
}

static void reads_the_ends_of_time(void **state) {
    (void)state;
    assert_true(time_of("\0\0\0\0\0\0\0\1") == 946684800000001);
    assert_true(time_of("\x7f\xff\xff\xff\xff\xff\xff\xff") == INT64_MAX); /* infinity */
    assert_true(time_of("\x80\0\0\0\0\0\0\0") == INT64_MIN + 1);           /* -infinity is not null */
    assert_true(time_of(NULL) == INT64_MIN);
}

static void refuses_arrays_that_are_not_uuids(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        int n;
    } cases[] = {
        { NULL, 0 },
        { "", 0 },
        { "\0\0\0\0\0\0\0\0\0\0\x0b\x86", 12 },                                 /* empty */
        { "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1\0\0\0\4\0\0\0\7", 28 },   /* int4[] */
        { "\0\0\0\1\0\0\0\1\0\0\x0b\x86\0\0\0\1\0\0\0\1\xff\xff\xff\xff", 24 }, /* a null */
        { "\0\0\0\1\0\0\0\0\0\0\x0b\x86\xff\xff\xff\xff\0\0\0\1", 20 },         /* a lie about its length */
        { "\0\0\0\2\0\0\0\0\0\0\x0b\x86\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", 28 }, /* two dimensions */
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct hx_pg_tx *tx = with(cases[i].bytes, cases[i].n);
        size_t n = 99;
        assert_null(hx_pg_get_uuids(tx, 0, 0, 0, &n));
        assert_int_equal(n, 0);
        hx_pg_tx_free(tx);
    }
}

static void reads_an_array_of_uuids(void **state) {
    (void)state;
    struct hx_pg_tx *tx = with("\0\0\0\1\0\0\0\0\0\0\x0b\x86\0\0\0\2\0\0\0\1\0\0\0\x10"
                               "abcdefghijklmnop\0\0\0\x10"
                               "ABCDEFGHIJKLMNOP",
                               60);
    size_t n;
    struct hx_uuid *v = hx_pg_get_uuids(tx, 0, 0, 0, &n);
    assert_int_equal(n, 2);
    assert_memory_equal(v[0].b, "abcdefghijklmnop", 16);
    assert_memory_equal(v[1].b, "ABCDEFGHIJKLMNOP", 16);
    free(v);
    hx_pg_tx_free(tx);
}

static void what_is_not_there_reads_as_null(void **state) {
    (void)state;
    struct hx_pg_tx *tx = with("\1", 1);
    assert_true(hx_pg_get_bool(tx, 0, 0, 0));
    static const struct {
        int statement, row, col;
    } places[] = { { -1, 0, 0 }, { 1, 0, 0 }, { 0, -1, 0 }, { 0, 1, 0 }, { 0, 0, -1 }, { 0, 0, 1 } };
    for (size_t i = 0; i < HX_ARRAY_LEN(places); i++) {
        size_t n = 99;
        assert_true(hx_pg_is_null(tx, places[i].statement, places[i].row, places[i].col));
        assert_false(hx_pg_get_bool(tx, places[i].statement, places[i].row, places[i].col));
        assert_null(hx_pg_get_text(tx, places[i].statement, places[i].row, places[i].col, &n));
        assert_int_equal(n, 0);
    }
    assert_int_equal(hx_pg_rows(tx, 5), 0);
    assert_int_equal(hx_pg_affected(tx, 5), 0);
    hx_pg_tx_free(tx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_integers_of_any_width),       cmocka_unit_test(reads_the_ends_of_time),
        cmocka_unit_test(refuses_arrays_that_are_not_uuids), cmocka_unit_test(reads_an_array_of_uuids),
        cmocka_unit_test(what_is_not_there_reads_as_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
