#include "migrations/drift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define T(x) (char *)(x)
#define TABLE(name)                                                                                            \
    {                                                                                                          \
        .rank = 30, .kind = T("table"), .object = T(name), .owner = T(""), .aspect = T(""), .value = T(""),    \
        .make = T("create table " name " (\n    n integer\n)"), .unmake = T("drop table " name), .lossy = true \
    }
#define COLUMN(table, name)                                                                               \
    {                                                                                                     \
        .rank = 40, .kind = T("column"), .object = T(table "." name), .owner = T(table), .aspect = T(""), \
        .value = T(""), .make = T("add " name), .unmake = T("drop " name), .covered = true, .lossy = true \
    }
#define TYPE(table, name, type, using)                                                                                 \
    {                                                                                                                  \
        .rank = 41, .kind = T("column"), .object = T(table "." name), .owner = T(table "." name), .aspect = T("type"), \
        .value = T(type), .make = T("make " name " " type using), .covered = true, .is_type = true                     \
    }
#define INDEX(table, name, def)                                                                                 \
    {                                                                                                           \
        .rank = 80, .kind = T("index"), .object = T(name), .owner = T(table), .aspect = T(""), .value = T(def), \
        .make = T("create " name " " def), .unmake = T("drop index " name), .replace = true                     \
    }
#define LABEL(name)                                                                                                   \
    {                                                                                                                 \
        .rank = 10, .kind = T("enum"), .object = T("e"), .owner = T("e"), .aspect = T("label " name), .value = T(""), \
        .make = T("add label " name), .covered = true                                                                 \
    }
#define ENUM                                                                                              \
    {                                                                                                     \
        .rank = 10, .kind = T("enum"), .object = T("e"), .owner = T(""), .aspect = T(""), .value = T(""), \
        .make = T("create e")                                                                             \
    }
#define ORDER(value_)                                                                                               \
    {                                                                                                               \
        .rank = 10, .kind = T("enum"), .object = T("e"), .owner = T("e"), .aspect = T("order"), .value = T(value_), \
        .covered = true, .minor = true                                                                              \
    }

#define PARTITION(name, bound)                                                                                      \
    {                                                                                                               \
        .rank = 45, .kind = T("partition"), .object = T(name), .owner = T("p"), .aspect = T(""), .value = T(bound), \
        .make = T("create " name), .unmake = T("drop " name), .lossy = true, .attach = T("attach " name " " bound), \
        .detach = T("detach " name)                                                                                 \
    }

/* lines, sql and with `destructive` the other sql, of facts against facts. */
static void check(struct hx_fact *wanted, size_t wanted_count, struct hx_fact *live, size_t live_count,
                  const char *lines, const char *sql, const char *destructive) {
    struct hx_schema w = { wanted, wanted_count }, l = { live, live_count };
    struct hx_drift drift;
    hx_drift_find(&w, &l, &drift);
    struct hx_buf out[3] = { 0 };
    hx_drift_lines(&drift, &out[0]);
    hx_drift_sql(&drift, false, &out[1]);
    hx_drift_sql(&drift, true, &out[2]);
    assert_string_equal(out[0].data ? out[0].data : "", lines);
    assert_string_equal(out[1].data ? out[1].data : "", sql);
    assert_string_equal(out[2].data ? out[2].data : "", destructive ? destructive : sql);
    hx_buf_reset(&out[0]);
    hx_buf_reset(&out[1]);
    hx_buf_reset(&out[2]);
    hx_drift_reset(&drift);
}
#define CHECK(wanted, live, lines, sql, destructive) \
    check(wanted, HX_ARRAY_LEN(wanted), live, HX_ARRAY_LEN(live), lines, sql, destructive)

static struct hx_fact table_with_all[] = { TABLE("t"), COLUMN("t", "n"), TYPE("t", "n", "integer", ""),
                                           INDEX("t", "i", "on t (n)") };
static struct hx_fact nothing[] = { TABLE("other") };

static void equal_schemas_differ_in_nothing(void **s) {
    (void)s;
    CHECK(table_with_all, table_with_all, "", "", NULL);
}

static void a_missing_table_is_one_line_and_made_with_its_index(void **s) {
    (void)s;
    struct hx_fact wanted[] = { TABLE("other"), TABLE("t"), COLUMN("t", "n"), TYPE("t", "n", "integer", ""),
                                INDEX("t", "i", "on t (n)") };
    CHECK(wanted, nothing, "table t: missing\n", "create table t (\n    n integer\n);\ncreate i on t (n);\n", NULL);
}

static void an_unexpected_table_is_dropped_only_when_told_to(void **s) {
    (void)s;
    struct hx_fact live[] = { TABLE("other"), TABLE("t"), COLUMN("t", "n"), INDEX("t", "i", "on t (n)") };
    CHECK(nothing, live, "table t: unexpected\n",
          "-- Loses what is there, so it is left to you (--destructive writes it out):\n-- drop table t;\n",
          "drop table t;\n");
}

static void a_changed_index_is_replaced(void **s) {
    (void)s;
    struct hx_fact live[] = { TABLE("t"), COLUMN("t", "n"), TYPE("t", "n", "integer", ""),
                              INDEX("t", "i", "on t (m)") };
    CHECK(table_with_all, live, "index i: is on t (m), wanted on t (n)\n", "drop index i;\ncreate i on t (n);\n", NULL);
}

static void an_unexpected_index_loses_nothing(void **s) {
    (void)s;
    struct hx_fact wanted[] = { TABLE("t") }, live[] = { TABLE("t"), INDEX("t", "i", "on t (m)") };
    CHECK(wanted, live, "index i: unexpected\n", "drop index i;\n", NULL);
}

static void types_that_fit_or_fail_are_no_loss(void **s) {
    (void)s;
    struct hx_fact wanted[] = { TYPE("t", "a", "integer", ""), TYPE("t", "b", "status", " using b::text::status"),
                                TYPE("t", "c", "date", ""), TYPE("t", "d", "text[]", "") };
    struct hx_fact live[] = { TYPE("t", "a", "bigint", ""), TYPE("t", "b", "character varying(50)", ""),
                              TYPE("t", "c", "timestamp without time zone", ""), TYPE("t", "d", "text", "") };
    CHECK(wanted, live,
          "column t.a: type is bigint, wanted integer\n"
          "column t.b: type is character varying(50), wanted status\n"
          "column t.c: type is timestamp without time zone, wanted date\n"
          "column t.d: type is text, wanted text[]\n",
          "make a integer;\nmake b status using b::text::status;\n"
          "-- Loses what is there, so it is left to you (--destructive writes it out):\n-- make c date;\n"
          "-- Loses what is there, so it is left to you (--destructive writes it out):\n-- make d text[];\n",
          "make a integer;\nmake b status using b::text::status;\nmake c date;\nmake d text[];\n");
}

static void an_enums_order_matters_only_by_itself(void **s) {
    (void)s;
    struct hx_fact wanted[] = { ENUM, LABEL("a"), LABEL("b"), ORDER("a, b") };
    struct hx_fact fewer[] = { ENUM, LABEL("a"), ORDER("a") },
                   turned[] = { ENUM, LABEL("a"), LABEL("b"), ORDER("b, a") };
    CHECK(wanted, fewer, "enum e: label b missing\n", "add label b;\n", NULL);
    CHECK(wanted, turned, "enum e: order is b, a, wanted a, b\n",
          "-- No statement does it: enum e: order is b, a, wanted a, b\n", NULL);
    CHECK(fewer, wanted, "enum e: label b unexpected\n", "-- No statement does it: enum e: label b unexpected\n", NULL);
}

static void a_partition_is_attached_and_detached_with_what_is_in_it(void **s) {
    (void)s;
    struct hx_fact attached[] = { TABLE("p"), PARTITION("t", "for 1") },
                   elsewhere[] = { TABLE("p"), PARTITION("t", "for 2") };
    struct hx_fact alone[] = { TABLE("p"), TABLE("t"), COLUMN("t", "n"), TYPE("t", "n", "integer", ""),
                               INDEX("t", "i", "on t (n)") };
    CHECK(attached, alone, "partition t: detached, wanted for 1\n", "attach t for 1;\n", NULL);
    CHECK(alone, attached, "partition t: is for 1, wanted detached\n", "detach t;\n", NULL);
    CHECK(attached, elsewhere, "partition t: is for 2, wanted for 1\n", "detach t;\nattach t for 1;\n", NULL);
}

static void a_view_in_the_way_is_named(void **s) {
    (void)s;
    struct hx_fact wanted[] = { TYPE("t", "a", "bigint", "") }, live[] = { TYPE("t", "a", "integer", "") };
    live[0].views = T("v, w");
    CHECK(wanted, live, "column t.a: type is integer, wanted bigint\n",
          "-- In the way until dropped before it, and made again behind it: view v, w\nmake a bigint;\n", NULL);
}

static void long_definitions_are_just_changed(void **s) {
    (void)s;
    struct hx_fact wanted[] = { INDEX("t", "f", "begin\nend") }, live[] = { INDEX("t", "f", "other") };
    CHECK(wanted, live, "index f: changed\n", "drop index f;\ncreate f begin\nend;\n", NULL);
}

static void json_has_object_kind_and_difference(void **s) {
    (void)s;
    struct hx_schema wanted = { table_with_all, 4 }, live = { nothing, 1 };
    struct hx_drift drift;
    hx_drift_find(&wanted, &live, &drift);
    _cleanup_buf_ struct hx_buf out = { 0 };
    bool first = true;
    hx_drift_json(&drift, &first, &out);
    assert_false(first);
    assert_string_equal(out.data, "{\"object\":\"t\",\"kind\":\"table\",\"difference\":\"missing\"},"
                                  "{\"object\":\"other\",\"kind\":\"table\",\"difference\":\"unexpected\"}");
    hx_drift_reset(&drift);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_schemas_differ_in_nothing),
        cmocka_unit_test(a_missing_table_is_one_line_and_made_with_its_index),
        cmocka_unit_test(an_unexpected_table_is_dropped_only_when_told_to),
        cmocka_unit_test(a_changed_index_is_replaced),
        cmocka_unit_test(an_unexpected_index_loses_nothing),
        cmocka_unit_test(types_that_fit_or_fail_are_no_loss),
        cmocka_unit_test(an_enums_order_matters_only_by_itself),
        cmocka_unit_test(a_partition_is_attached_and_detached_with_what_is_in_it),
        cmocka_unit_test(a_view_in_the_way_is_named),
        cmocka_unit_test(long_definitions_are_just_changed),
        cmocka_unit_test(json_has_object_kind_and_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
