/* The binary form of parameters, byte by byte. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"

static const struct hx_pg_stmt stmt = { .name = "s", .sql = "select 1" };
#define UUID                                                                                               \
    {                                                                                                      \
        { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 } \
    }

static struct hx_pg_tx *begin(void) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(hx_pg_tx_add(tx, &stmt), 0);
    return tx;
}

/* The last parameter is exactly the bytes written in hex, spaces aside. */
static void last_is(const struct hx_pg_tx *tx, const char *hex) {
    const struct pg_param *p = &tx->params[tx->param_count - 1];
    _cleanup_buf_ struct hx_buf got = { 0 }, want = { 0 };
    for (int32_t i = 0; i < p->len; i++)
        hx_buf_printf(&got, "%02x", (unsigned char)tx->data.data[p->offset + (size_t)i]);
    for (; *hex; hex++)
        if (*hex != ' ')
            hx_buf_putc(&want, *hex);
    assert_string_equal(got.data ? got.data : "", want.data ? want.data : "");
}

static void last_is_null(const struct hx_pg_tx *tx) {
    assert_int_equal(tx->params[tx->param_count - 1].len, -1);
}

static void encodes_scalars(void **state) {
    (void)state;
    struct hx_pg_tx *tx = begin();
    const struct hx_uuid u = UUID;
    hx_pg_bool(tx, true);
    last_is(tx, "01");
    hx_pg_bool(tx, false);
    last_is(tx, "00");
    hx_pg_int4(tx, -2);
    last_is(tx, "fffffffe");
    hx_pg_int4(tx, INT32_MIN);
    last_is(tx, "80000000");
    hx_pg_int8(tx, 0x0102030405060708);
    last_is(tx, "0102030405060708");
    hx_pg_text(tx, "h\xc3\xa9");
    last_is(tx, "68c3a9");
    hx_pg_text(tx, "");
    last_is(tx, "");
    assert_int_equal(tx->params[tx->param_count - 1].len, 0);
    hx_pg_jsonb(tx, "{}xx", 2);
    last_is(tx, "01 7b7d");
    hx_pg_uuid(tx, &u);
    last_is(tx, "0123456789abcdeffedcba9876543210");
    hx_pg_time(tx, 946684800000001);
    last_is(tx, "0000000000000001");
    hx_pg_time(tx, 0);
    last_is(tx, "fffca2fec4c82000"); /* -946684800000000 */
    hx_pg_time(tx, INT64_MAX);
    last_is(tx, "7fffffffffffffff");
    hx_pg_tx_free(tx);
}

static void encodes_nulls(void **state) {
    (void)state;
    struct hx_pg_tx *tx = begin();
    hx_pg_null(tx);
    last_is_null(tx);
    hx_pg_text(tx, NULL);
    last_is_null(tx);
    hx_pg_jsonb(tx, NULL, 0);
    last_is_null(tx);
    hx_pg_uuid(tx, NULL);
    last_is_null(tx);
    hx_pg_time(tx, INT64_MIN);
    last_is_null(tx);
    assert_int_equal(hx_pg_tx_bytes(tx), 0);
    assert_int_equal(tx->statements[0].params, 5);
    hx_pg_tx_free(tx);
}

static void encodes_arrays(void **state) {
    (void)state;
    struct hx_pg_tx *tx = begin();
    const struct hx_uuid u = UUID;
    hx_pg_uuids(tx, &u, 1);
    last_is(tx, "00000001 00000000 00000b86 00000001 00000001 00000010 0123456789abcdeffedcba9876543210");
    hx_pg_int4s(tx, (int32_t[]){ 7, INT32_MIN, -1 }, 3);
    last_is(tx, "00000001 00000001 00000017 00000003 00000001 00000004 00000007 ffffffff 00000004 ffffffff");
    hx_pg_int8s(tx, (int64_t[]){ 7, INT64_MIN }, 2);
    last_is(tx, "00000001 00000001 00000014 00000002 00000001 00000008 0000000000000007 ffffffff");
    hx_pg_bools(tx, (bool[]){ true, false }, 2);
    last_is(tx, "00000001 00000000 00000010 00000002 00000001 00000001 01 00000001 00");
    hx_pg_times(tx, (int64_t[]){ 946684800000005, INT64_MIN }, 2);
    last_is(tx, "00000001 00000001 000004a0 00000002 00000001 00000008 0000000000000005 ffffffff");
    hx_pg_texts(tx, (const char *[]){ "ab", NULL, "" }, 3);
    last_is(tx, "00000001 00000001 ffffffff 00000003 00000001 00000002 6162 ffffffff 00000000");
    hx_pg_jsonbs(tx, (const char *[]){ "[]", NULL }, 2);
    last_is(tx, "00000001 00000001 00000eda 00000002 00000001 00000003 01 5b5d ffffffff");
    hx_pg_tx_free(tx);
}

static void encodes_empty_arrays(void **state) {
    (void)state;
    struct hx_pg_tx *tx = begin();
    hx_pg_uuids(tx, NULL, 0);
    last_is(tx, "00000000 00000000 00000b86");
    hx_pg_texts(tx, NULL, 0);
    last_is(tx, "00000000 00000000 ffffffff");
    hx_pg_bools(tx, NULL, 0);
    last_is(tx, "00000000 00000000 00000010");
    hx_pg_int8s(tx, NULL, 0);
    last_is(tx, "00000000 00000000 00000014");
    hx_pg_tx_free(tx);
}

static void keeps_statements_apart(void **state) {
    (void)state;
    struct hx_pg_tx *tx = begin();
    hx_pg_int4(tx, 1);
    assert_int_equal(hx_pg_tx_add(tx, &stmt), 1);
    assert_int_equal(hx_pg_tx_add(tx, &stmt), 2);
    for (int i = 0; i < 100; i++)
        hx_pg_int8(tx, i);
    assert_int_equal(tx->statements[0].params, 1);
    assert_int_equal(tx->statements[1].params, 0);
    assert_int_equal(tx->statements[2].params, 100);
    assert_int_equal(tx->statements[2].first_param, 1);
    assert_int_equal(hx_pg_tx_bytes(tx), 804);
    hx_pg_tx_free(tx);
    assert_null(hx_pg_tx_free(NULL));
}

static void lists_keep_order(void **state) {
    (void)state;
    struct hx_pg_tx a = { 0 }, b = { 0 }, c = { 0 };
    struct pg_tx_list list = { 0 };
    pg_tx_list_push(&list, &b);
    pg_tx_list_push(&list, &c);
    pg_tx_list_push_front(&list, &a);
    assert_int_equal(list.count, 3);
    assert_ptr_equal(pg_tx_list_pop(&list), &a);
    assert_ptr_equal(pg_tx_list_pop(&list), &b);
    assert_ptr_equal(pg_tx_list_pop(&list), &c);
    assert_null(pg_tx_list_pop(&list));
    assert_null(list.tail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_scalars),        cmocka_unit_test(encodes_nulls),
        cmocka_unit_test(encodes_arrays),         cmocka_unit_test(encodes_empty_arrays),
        cmocka_unit_test(keeps_statements_apart), cmocka_unit_test(lists_keep_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
