/* How many rows of the outbox are taken at once, with a ledger that notes what it is asked for. */
#include "tests/unit/scheduler/fake_tx.h"

#include "scheduler/relay.h"

/* ---- PostgreSQL ---- */

void hx_pg_listen(struct hx_pg *pg, const char *channel, hx_pg_notify_cb cb, void *user) {
    (void)pg, (void)channel, (void)cb, (void)user;
}

int hx_pg_rows(const struct hx_pg_tx *tx, int statement) {
    (void)tx, (void)statement;
    return 0;
}

struct hx_uuid *hx_pg_get_uuids(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_n) {
    (void)tx, (void)statement, (void)row, (void)col;
    *ret_n = 0;
    return NULL;
}

int hx_ledger_relay_take(struct hx_pg_tx *tx, int32_t limit) {
    hx_buf_printf(&tx->told, " take %d", (int)limit);
    return 0;
}

int hx_ledger_outbox_done(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    (void)outbox_ids;
    hx_buf_printf(&tx->told, " done %zu", n);
    return 0;
}

int hx_ledger_relay_jobs(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    (void)tx, (void)outbox_ids, (void)n;
    return 0;
}

int hx_ledger_relay_dead(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    (void)tx, (void)outbox_ids, (void)n;
    return 0;
}

int64_t hx_ledger_read_outbox(const struct hx_pg_tx *tx, int statement, int row, enum hx_outbox_kind *ret_kind) {
    (void)tx, (void)statement, (void)row, (void)ret_kind;
    return 0;
}

/* ---- Kafka ---- */

struct hx_kafka_options scheduler_kafka(const struct scheduler *s, const char *client_id) {
    (void)s, (void)client_id;
    return (struct hx_kafka_options){ 0 };
}

int hx_producer_new(struct hx_loop *loop, const struct hx_kafka_options *options, hx_delivery_cb cb, void *user,
                    struct hx_producer **ret, struct hx_kafka_error *reterr) {
    (void)loop, (void)options, (void)cb, (void)user, (void)reterr;
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

bool hx_producer_cut_off(struct hx_producer *p) {
    (void)p;
    return false;
}

void publish(struct relay *r, const struct hx_pg_tx *tx, int job_rows, int dead) {
    (void)r, (void)tx, (void)job_rows, (void)dead;
}

void publish_report(bool ok, const struct hx_kafka_error *error, void *record_user, void *user) {
    (void)ok, (void)error, (void)record_user, (void)user;
}

void publish_forget(struct relay *r) {
    (void)r;
}

/* ---- tests ---- */

static int begin(void **state) {
    (void)state;
    struct hx_kafka_error error;
    scheduler = (struct scheduler){ .started = true };
    assert_int_equal(hx_loop_new(&scheduler.loop), 0);
    assert_int_equal(relay_new(&scheduler, &scheduler.relay, &error), 0);
    scheduler.relay->ids_in_row = 1;
    return 0;
}

static int end(void **state) {
    (void)state;
    if (pending)
        pending = hx_pg_tx_free(pending);
    relay_free(scheduler.relay);
    hx_loop_free(scheduler.loop);
    return 0;
}

/* What the next round asks for; nothing is there. */
static void check_round(const char *expected) {
    relay_open(scheduler.relay);
    check_asked(expected);
    if (pending)
        answer(NULL);
}

static void many_rows_are_taken_at_once(void **state) {
    (void)state;
    check_round("relay: take 200");
    scheduler.relay->rows = 150;
    check_round("relay: take 50");
    scheduler.relay->rows = 200;
    check_round(NULL);
}

static void rows_of_many_jobs_are_fewer(void **state) {
    (void)state;
    scheduler.relay->ids_in_row = 1000;
    scheduler.relay->records = 10000;
    check_round("relay: take 10");
    scheduler.relay->records = 20000;
    check_round(NULL);
}

/* Each that is taken in vain comes later and later: the others keep their place. */
static void a_few_find_out_whether_kafka_is_back(void **state) {
    (void)state;
    silence_report(&scheduler.relay->silence, false, hx_mono_ms());
    check_round("relay: take 10");
    scheduler.relay->rows = 7;
    check_round("relay: take 3");
    scheduler.relay->rows = 10;
    check_round(NULL);
    silence_report(&scheduler.relay->silence, true, hx_mono_ms());
    check_round("relay: take 190");
}

static void what_is_delivered_is_struck_off_while_kafka_is_silent(void **state) {
    (void)state;
    silence_report(&scheduler.relay->silence, false, hx_mono_ms());
    scheduler.relay->rows = 11;
    struct row *row = hx_alloc(sizeof *row);
    relay_row_ended(scheduler.relay, row);
    assert_int_equal(scheduler.relay->done_count, 1);
    check_round("relay: done 1");
    assert_int_equal(scheduler.relay->done_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_rows_are_taken_at_once, begin, end),
        cmocka_unit_test_setup_teardown(rows_of_many_jobs_are_fewer, begin, end),
        cmocka_unit_test_setup_teardown(a_few_find_out_whether_kafka_is_back, begin, end),
        cmocka_unit_test_setup_teardown(what_is_delivered_is_struck_off_while_kafka_is_silent, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
