/* How many rows of the outbox are taken at once, with a ledger that notes what it is asked for. */
#include "tests/unit/scheduler/fake_outbox.h"

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

/* Rows of one job each. */
static int begin_short(void **state) {
    begin(state);
    scheduler.relay->ids_in_row = 1;
    return 0;
}

/* How many the next round asks for, and whether at all; nothing is there. */
static void check_round(int32_t most) {
    relay_open(scheduler.relay);
    check_asked(most ? "relay: take" : NULL);
    if (!most)
        return;
    assert_int_equal(limit, most);
    answer(NULL);
}

static void many_rows_are_taken_at_once(void **state) {
    (void)state;
    check_round(200);
    scheduler.relay->rows = 150;
    check_round(50);
    scheduler.relay->rows = 200;
    check_round(0);
}

static void rows_of_many_jobs_are_fewer(void **state) {
    (void)state;
    scheduler.relay->ids_in_row = 1000;
    scheduler.relay->records = 10000;
    check_round(10);
    scheduler.relay->records = 20000;
    check_round(0);
}

/* Each that is taken in vain comes later and later: the others keep their place. */
static void a_few_find_out_whether_kafka_is_back(void **state) {
    (void)state;
    silence_report(&scheduler.relay->silence, false, hx_mono_ms());
    check_round(10);
    scheduler.relay->rows = 7;
    check_round(3);
    scheduler.relay->rows = 10;
    check_round(0);
    silence_report(&scheduler.relay->silence, true, hx_mono_ms());
    check_round(190);
}

static void what_is_delivered_is_struck_off_while_kafka_is_silent(void **state) {
    (void)state;
    silence_report(&scheduler.relay->silence, false, hx_mono_ms());
    scheduler.relay->rows = 11;
    struct row *row = hx_alloc(sizeof *row);
    row->id = 7;
    relay_row_ended(scheduler.relay, row);
    assert_int_equal(scheduler.relay->done_count, 1);
    relay_open(scheduler.relay);
    check_asked("relay: done 7");
    answer(NULL);
    assert_int_equal(scheduler.relay->done_count, 0);
}

/* heimdex_submit() says so when it commits, and nobody else publishes its jobs. */
static void a_word_of_the_database_is_heeded_at_once(void **state) {
    (void)state;
    check_round(200);
    heard("heimdex_outbox", "", scheduler.relay);
    hx_loop_once(scheduler.loop, 0);
    assert_non_null(pending);
    assert_string_equal(pending->told.data, "relay: take");
    answer(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_rows_are_taken_at_once, begin_short, end),
        cmocka_unit_test_setup_teardown(rows_of_many_jobs_are_fewer, begin, end),
        cmocka_unit_test_setup_teardown(a_few_find_out_whether_kafka_is_back, begin_short, end),
        cmocka_unit_test_setup_teardown(a_word_of_the_database_is_heeded_at_once, begin_short, end),
        cmocka_unit_test_setup_teardown(what_is_delivered_is_struck_off_while_kafka_is_silent, begin_short, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
