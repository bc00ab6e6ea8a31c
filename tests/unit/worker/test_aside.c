/* What is of no use is written down before its offset moves on; what is somebody else's is not. */
#include "tests/unit/worker/records.h"

static void an_unreadable_record_is_quarantined(void **state) {
    (void)state;
    hx_buf_puts(&record_data[0], "no record of ours");
    add_record();
    worker_poll(&worker);
    struct hx_pg_tx *tx = expect("quarantine");
    check_told(tx, "quarantine");
    assert_int_equal(tx->v[0]->number, 17);
    assert_int_equal(stored_count, 0);
    commit(tx);
    assert_int_equal(stored[0], 101);
}

static void only_the_beginning_of_a_long_one_is_kept(void **state) {
    (void)state;
    while (record_data[0].len < 100 * 1024)
        hx_buf_puts(&record_data[0], "0123456789abcdef");
    add_record();
    worker_poll(&worker);
    assert_int_equal(expect("quarantine")->v[0]->number, 64 * 1024);
}

/* What can't be written down now is tried again after a pause, not in a circle. */
static void putting_aside_is_tried_again(void **state) {
    (void)state;
    publish(1, 1, "unknown");
    worker_poll(&worker);
    refuse(expect("put aside"), HX_PG_SCHEMA, "42501");
    assert_null(find("put aside"));
    assert_int_equal(stored_count, 0);
    PUMP(find("put aside"));
    commit(expect("put aside"));
    assert_int_equal(stored_count, 1);
}

/* A topic of garbage doesn't fill the memory while PostgreSQL is away. */
static void no_more_is_read_than_can_be_written_down(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        hx_buf_puts(&record_data[record_count], "no record of ours");
        add_record();
    }
    worker_poll(&worker);
    assert_int_equal(record_next, 16);
    assert_true(consumer_paused);
    refuse(expect("quarantine"), HX_PG_UNAVAILABLE, "");
    worker_poll(&worker);
    assert_int_equal(record_next, 16);
    commit(expect("quarantine"));
    worker_poll(&worker);
    worker_poll(&worker);
    assert_int_equal(record_next, 17);
}

static void check_quarantined(const struct statement *s, unsigned number, int64_t offset) {
    struct hx_announcement a;
    const char *why;
    assert_int_equal(s->kind, QUARANTINE);
    assert_int_equal(s->offset, offset);
    assert_int_equal(hx_announcement_decode(s->record.data, s->record.len, &a, &why), 0);
    assert_int_equal(a.count, 1);
    struct hx_uuid id = hx_announcement_id(&a, 0);
    assert_int_equal(number_of(&id), number);
}

/* Two of the record's jobs are there, its two other ids are nobody's. */
static void ids_of_no_job_are_quarantined(void **state) {
    (void)state;
    publish(1, 4, MOCK);
    publish(5, 5, MOCK);
    jobs[2].type = jobs[4].type = NULL;
    worker_poll(&worker);
    commit(send());
    struct hx_pg_tx *looked = expect("put aside");
    check_told(looked, "missing(2 4)");
    assert_ptr_equal(looked->pg, worker.side);
    commit(send()); /* 5, of the second record */
    assert_int_equal(stored_count, 0);
    commit(looked);
    struct hx_pg_tx *kept = expect("quarantine");
    check_told(kept, "quarantine quarantine");
    assert_string_equal(kept->v[0]->type, "no such job: 01890000-0000-7000-8000-000000000002");
    check_quarantined(kept->v[0], 2, 100);
    check_quarantined(kept->v[1], 4, 100);
    assert_int_equal(stored_count, 0);
    refuse(kept, HX_PG_UNAVAILABLE, "");
    PUMP(find("quarantine"));
    assert_int_equal(stored_count, 0);
    commit(expect("quarantine"));
    assert_int_equal(stored[stored_count - 1], 102);
    assert_null(worker.asides);
}

/* One claim asked for the ids of several records. */
static void each_has_its_records_place(void **state) {
    (void)state;
    publish(1, 1, MOCK);
    publish(2, 2, MOCK);
    publish(3, 3, MOCK);
    jobs[1].type = jobs[3].type = NULL;
    jobs[2].status = HX_SUCCEEDED;
    worker_poll(&worker);
    commit(send());
    commit(expect("put aside"));
    struct hx_pg_tx *kept = expect("quarantine");
    assert_int_equal(kept->n, 2);
    check_quarantined(kept->v[0], 1, 100);
    check_quarantined(kept->v[1], 3, 102);
    commit(kept);
    assert_int_equal(stored[stored_count - 1], 103);
}

/* Renewals of the lease wait behind each transaction. */
static void many_go_in_several_transactions(void **state) {
    (void)state;
    publish(1, 100, "unknown");
    for (unsigned i = 1; i <= 100; i++)
        jobs[i].type = NULL;
    worker_poll(&worker);
    commit(expect("put aside"));
    assert_int_equal(pending_count, 2);
    assert_int_equal(pending[0]->n, 64);
    commit(pending[0]);
    assert_int_equal(stored_count, 0);
    assert_int_equal(pending[0]->n, 36);
    commit(pending[0]);
    assert_int_equal(stored[0], 101);
}

/* Its job has been there, for all that anybody knows. */
static void what_retention_may_have_deleted_is_done(void **state) {
    (void)state;
    settings[HX_SCHEDULER_RETENTION] = 86400000;
    publish(1, 1, MOCK);
    struct hx_uuid fresh = hx_uuid_v7(), other = hx_uuid_v4();
    fresh.b[14] = other.b[14] = 0;
    fresh.b[15] = 2, other.b[15] = 3;
    struct hx_uuid ids[] = { id_of(1), fresh, other };
    hx_buf_clear(&record_data[0]);
    assert_int_equal(hx_announcement_encode(&record_data[0], MOCK, ids, 3), 0);
    records[0].data = record_data[0].data;
    records[0].size = record_data[0].len;
    jobs[1].type = NULL;
    worker_poll(&worker);
    commit(send());
    commit(expect("put aside"));
    struct hx_pg_tx *kept = expect("quarantine");
    assert_int_equal(kept->n, 2);
    for (size_t i = 0; i < 2; i++)
        assert_null(strstr(kept->v[i]->type, "01890000-"));
    commit(kept);
    assert_int_equal(stored[0], 101);
}

static void nobody_handles_the_type_of_no_job(void **state) {
    (void)state;
    publish(1, 2, "unknown");
    jobs[2].type = NULL;
    worker_poll(&worker);
    struct hx_pg_tx *tx = expect("put aside");
    check_told(tx, "park(1 2) missing(1 2)");
    commit(tx);
    tx = expect("quarantine");
    assert_string_equal(tx->v[0]->type, "no such job: 01890000-0000-7000-8000-000000000002");
    assert_int_equal(stored_count, 0);
    assert_int_equal(worker.parking, 0); /* busy candidates may be parked meanwhile */
    commit(tx);
    assert_int_equal(stored[0], 101);
}

/* Of a commit in doubt: the rows are another statement's. */
static void in_doubt_they_are_looked_for_too(void **state) {
    (void)state;
    publish(1, 2, MOCK);
    jobs[2].type = NULL;
    worker_poll(&worker);
    lose(send(), true);
    commit(expect("ask"));
    assert_non_null(run_of(1));
    struct hx_pg_tx *tx = expect("put aside");
    check_told(tx, "missing(2)");
    commit(tx);
    check_told(expect("quarantine"), "quarantine");
    assert_int_equal(stored_count, 0);
}

/* They came from PostgreSQL, and were taken or canceled meanwhile. */
static void without_a_record_nothing_is_looked_for(void **state) {
    (void)state;
    announce(1, 2, MOCK);
    jobs[1].type = NULL;
    commit(send());
    assert_null(find("put aside"));
}

static void of_a_revoked_partition_too(void **state) {
    (void)state;
    publish(1, 2, MOCK);
    jobs[2].type = NULL;
    worker_poll(&worker);
    struct hx_pg_tx *tx = send();
    consumer_callbacks.revoked("t", 1, &worker);
    commit(tx);
    commit(expect("put aside"));
    commit(expect("quarantine"));
    assert_int_equal(stored_count, 0);
    assert_int_equal(hx_progress_records(worker.progress), 0);
    assert_null(worker.asides);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_unreadable_record_is_quarantined, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(only_the_beginning_of_a_long_one_is_kept, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(putting_aside_is_tried_again, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(no_more_is_read_than_can_be_written_down, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(ids_of_no_job_are_quarantined, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(each_has_its_records_place, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(many_go_in_several_transactions, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(what_retention_may_have_deleted_is_done, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(nobody_handles_the_type_of_no_job, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(in_doubt_they_are_looked_for_too, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(without_a_record_nothing_is_looked_for, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(of_a_revoked_partition_too, open_consumer, close_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
