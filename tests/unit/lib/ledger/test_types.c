#include "ledger_test.h"

struct types {
    int statement, rows;
    struct hx_type_info type[4];
    char text[4][3][64]; /* type, queue, limits */
};

static void types_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct types *t = user;
    assert_null(error);
    t->rows = hx_pg_rows(tx, t->statement);
    for (int i = 0; i < t->rows && i < 4; i++) {
        t->type[i] = hx_ledger_read_type(tx, t->statement, i);
        hx_strcopy(t->text[i][0], 64, t->type[i].type);
        hx_strcopy(t->text[i][1], 64, t->type[i].queue);
        hx_strcopy(t->text[i][2], 64, t->type[i].limits);
    }
}

static struct types types(void) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    struct types t = { .statement = hx_ledger_types(tx) };
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, types_cb, &t, NULL), HX_PG_OK);
    return t;
}

static void registering(const struct hx_type_info *infos, size_t n) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_register_types(tx, infos, n));
}

static void what_is_registered_is_read(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    const struct hx_type_info infos[] = {
        { .type = "b", .announce = 50, .concurrency = INT32_MIN, .max_attempts = INT32_MIN },
        { .type = "a",
          .queue = "slow",
          .announce = 1,
          .concurrency = 3,
          .max_attempts = 7,
          .limits = "{\"tasks_max\": 9}" },
    };
    registering(infos, 2);
    struct types t = types();
    assert_int_equal(t.rows, 2);
    assert_string_equal(t.text[0][0], "a");
    assert_string_equal(t.text[0][1], "slow");
    assert_string_equal(t.text[0][2], "{\"tasks_max\": 9}");
    assert_int_equal(t.type[0].announce, 1);
    assert_int_equal(t.type[0].concurrency, 3);
    assert_int_equal(t.type[0].max_attempts, 7);
    assert_string_equal(t.text[1][0], "b");
    assert_string_equal(t.text[1][1], "default");
    assert_string_equal(t.text[1][2], "{}");
    assert_int_equal(t.type[1].concurrency, INT32_MIN);
    assert_int_equal(t.type[1].max_attempts, INT32_MIN);
    assert_false(t.type[1].paused);
    assert_value("3", "select count(*) from permit where type = 'a' and n between 1 and 3");
    assert_value("3", "select count(*) from permit");
}

static void registering_again_leaves_the_pause(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", 2, true);
    struct hx_type_info info = { .type = "a", .queue = "other", .announce = 5, .concurrency = 4, .max_attempts = 1 };
    registering(&info, 1);
    struct types t = types();
    assert_true(t.type[0].paused);
    assert_string_equal(t.text[0][1], "other");
    assert_int_equal(t.type[0].concurrency, 4);
    assert_value("4", "select count(*) from permit");
    char before[64];
    hx_strcopy(before, sizeof before, value("select updated_at from job_type"));
    registering(&info, 1); /* nothing new: nothing written */
    assert_value(before, "select updated_at from job_type");
}

static void pausing_an_unknown_type_is_no(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("a", INT32_MIN, false);
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_pause(tx, "z", true))->affected, 0);
    tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_pause(tx, "a", true))->affected, 1);
    assert_value("true", "select paused from job_type");
}

LEDGER_MAIN(LEDGER_TEST(what_is_registered_is_read), LEDGER_TEST(registering_again_leaves_the_pause),
            LEDGER_TEST(pausing_an_unknown_type_is_no))
