#include "ledger_test.h"

struct outbox {
    int rows;
    int64_t id[8];
    enum hx_outbox_kind kind[8];
};

static void outbox_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct outbox *o = user;
    assert_null(error);
    o->rows = hx_pg_rows(tx, 0);
    for (int i = 0; i < o->rows && i < 8; i++)
        o->id[i] = hx_ledger_read_outbox(tx, 0, i, &o->kind[i]);
}

static struct outbox relay_take(int32_t limit) {
    struct outbox o = { 0 };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_relay_take(tx, limit);
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, outbox_cb, &o, NULL), HX_PG_OK);
    return o;
}

static void the_relay_takes_what_its_maker_left(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    char from[64];
    server_time(from);
    put_job("a");
    assert_value("1", "select count(*) from outbox where " SET_TO("due", "2 s"), from); /* its maker's */
    sql("update outbox set due = now() + interval '1 h'");
    assert_int_equal(relay_take(10).rows, 0);
    sql("update outbox set due = now()");
    server_time(from);
    struct outbox o = relay_take(10);
    assert_int_equal(o.rows, 1);
    assert_int_equal(o.kind[0], HX_OUTBOX_ANNOUNCE);
    assert_int_equal(relay_take(10).rows, 0);
    assert_value("1", "select count(*) from outbox where tries = 1 and " SET_TO("due", "10 s"), from);
    sql("update outbox set due = now(), tries = 60");
    server_time(from);
    relay_take(10);
    assert_value("1", "select count(*) from outbox where " SET_TO("due", "5 min"), from); /* never longer */
}

struct relayed {
    int rows;
    struct hx_relay_job job[8];
    char type[8][8], queue[8][8];
};

static void relayed_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct relayed *r = user;
    assert_null(error);
    r->rows = hx_pg_rows(tx, 0);
    for (int i = 0; i < r->rows && i < 8; i++) {
        r->job[i] = hx_ledger_read_relay_job(tx, 0, i);
        hx_strcopy(r->type[i], 8, r->job[i].type);
        hx_strcopy(r->queue[i], 8, r->job[i].queue);
    }
}

static void only_what_is_still_queued_is_announced(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    put_type("b", INT32_MIN, false);
    struct hx_new_job made[] = { new_job("b"), new_job("a"), new_job("b"), new_job("a") };
    made[0].priority = 1;
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_submit(tx, made, 4));
    assert_int_equal(claim(put_worker(), &made[3].id, 1), 1);
    sql("update outbox set due = now()");
    struct outbox o = relay_take(10);

    struct relayed r = { 0 };
    tx = hx_pg_tx_new("test");
    hx_ledger_relay_jobs(tx, o.id, 1);
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, relayed_cb, &r, NULL), HX_PG_OK);
    assert_int_equal(r.rows, 3);
    assert_memory_equal(&r.job[0].id, &made[1].id, 16);
    assert_memory_equal(&r.job[1].id, &made[2].id, 16);
    assert_memory_equal(&r.job[2].id, &made[0].id, 16);
    assert_string_equal(r.type[0], "a");
    assert_string_equal(r.queue[0], "default");
    assert_int_equal(r.job[0].announce, 1);
    assert_string_equal(r.queue[1], "q");
    assert_int_equal(r.job[1].announce, 10);
    assert_true(!r.job[1].high && r.job[2].high);
    assert_true(r.job[0].outbox_id == o.id[0]);
}

struct dead {
    int rows;
    int64_t outbox_id;
    char key[64], record[4096];
};

static void dead_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct dead *d = user;
    assert_null(error);
    d->rows = hx_pg_rows(tx, 0);
    if (!d->rows)
        return;
    struct hx_dead_record record = hx_ledger_read_dead_record(tx, 0, 0);
    assert_int_equal(strlen(record.record), record.record_len);
    d->outbox_id = record.outbox_id;
    hx_strcopy(d->key, sizeof d->key, record.key);
    hx_strcopy(d->record, sizeof d->record, record.record);
}

static struct dead relay_dead(int64_t id) {
    struct dead d = { 0 };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_relay_dead(tx, &id, 1);
    assert_int_equal(hx_pg_run(ledger.pg, tx, 0, dead_cb, &d, NULL), HX_PG_OK);
    return d;
}

static void a_dead_letter_carries_its_job(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    struct hx_uuid id = put_running(put_worker());
    sql("delete from outbox");
    settle(&(struct hx_outcome){ .id = id, .fence = 1, .status = HX_DEAD_LETTER, .code = "bad", .message = "no" }, 1);
    struct outbox o = relay_take(10);
    assert_int_equal(o.rows, 1);
    assert_int_equal(o.kind[0], HX_OUTBOX_DEAD_LETTER);
    struct dead d = relay_dead(o.id[0]);
    assert_int_equal(d.rows, 1);
    assert_true(d.outbox_id == o.id[0]);
    char plain[HX_UUID_SIZE];
    hx_uuid_format(&id, plain);
    assert_string_equal(d.key, plain);
    assert_non_null(strstr(d.record, "\"error\": {\"code\": \"bad\", \"message\": \"no\"}"));
    assert_non_null(strstr(d.record, "\"kind\": \"job\""));

    /* redriven meanwhile: no dead letter any more */
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_retry(tx, &id, 1, "again"));
    assert_int_equal(relay_dead(o.id[0]).rows, 0);
}

static void an_unreadable_record_is_kept_and_passed_on(void **state) {
    (void)state;
    LEDGER_OR_SKIP();
    static char record[70000];
    memset(record, 0xff, sizeof record);
    record[0] = 0;
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_ledger_quarantine(tx, "t", 3, 5000000000, "not JSON", record, sizeof record, 90000);
    run(tx, 0);
    assert_value("t 3 5000000000 not JSON 65536 90000 \\x00ffff",
                 "select concat_ws(' ', topic, partition, \"offset\", reason, length(record), size, substr(record, 1, "
                 "3)) from quarantine");
    struct outbox o = relay_take(10);
    assert_int_equal(o.rows, 1);
    assert_int_equal(o.kind[0], HX_OUTBOX_QUARANTINE);
    struct dead d = relay_dead(o.id[0]);
    assert_int_equal(d.rows, 1);
    assert_non_null(strstr(d.record, "\"reason\": \"not JSON\""));
    tx = hx_pg_tx_new("test");
    hx_ledger_quarantine(tx, "t", 3, 6, "empty", NULL, 0, 0);
    run(tx, 0);

    /* the same record again, and another one in its place: the topic was made anew */
    tx = hx_pg_tx_new("test");
    hx_ledger_quarantine(tx, "t", 3, 6, "empty", NULL, 0, 0);
    hx_ledger_quarantine(tx, "t", 3, 6, "empty", "x", 1, 1);
    run(tx, 0);
    assert_value("1 1", "select count(*) filter (where size = 0) || ' ' || count(*) filter (where size = 1) from "
                        "quarantine where \"offset\" = 6");
    assert_int_equal(relay_take(10).rows, 2);
}

LEDGER_MAIN(LEDGER_TEST(the_relay_takes_what_its_maker_left), LEDGER_TEST(only_what_is_still_queued_is_announced),
            LEDGER_TEST(a_dead_letter_carries_its_job), LEDGER_TEST(an_unreadable_record_is_kept_and_passed_on))
