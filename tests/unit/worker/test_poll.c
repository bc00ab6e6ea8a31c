/* Records become candidates, and their offsets move on when each of their ids is done, never before the claim committed. */
#include "tests/unit/worker/records.h"

static void offsets_are_stored_after_the_commit(void **state) {
    (void)state;
    publish(1, 3, MOCK);
    worker_poll(&worker);
    assert_int_equal(backlog_builtin(worker.backlog), 3);
    struct hx_pg_tx *tx = send();
    assert_int_equal(stored_count, 0);
    refuse(tx, HX_PG_UNAVAILABLE, "");
    assert_int_equal(stored_count, 0);
    commit(send());
    assert_int_equal(stored_count, 1);
    assert_int_equal(stored[0], 101);
}

/* Also of ids that somebody else has: a duplicate is done too, once it is known to be one. */
static void a_record_is_done_with_all_of_its_ids(void **state) {
    (void)state;
    publish(1, 6, MOCK);
    publish(7, 7, MOCK);
    jobs[2].status = HX_SUCCEEDED;
    worker_poll(&worker);
    commit(send());
    assert_int_equal(stored_count, 0); /* 5 and 6 weren't asked for yet */
    commit(send());
    assert_int_equal(stored_count, 0);
    struct hx_pg_tx *tx = expect("put aside");
    check_told(tx, "missing(2)");
    commit(tx);
    assert_int_equal(stored[stored_count - 1], 102);
}

/* The second record is done first; its offset would promise the first. */
static void a_later_record_waits_for_an_earlier_one(void **state) {
    (void)state;
    publish(1, 1, SHELL);
    publish(2, 2, MOCK);
    hold(11, 14, SHELL); /* no slot is free */
    worker_poll(&worker);
    commit(send());
    assert_int_equal(stored_count, 0);
    run_free(run_of(11)); /* ends */
    worker.slots_running--;
    commit(send());
    assert_int_equal(stored_count, 1);
    assert_int_equal(stored[0], 102);
}

static void in_doubt_stores_only_when_it_is_known(void **state) {
    (void)state;
    publish(1, 1, MOCK);
    worker_poll(&worker);
    lose(send(), true);
    assert_int_equal(stored_count, 0);
    commit(expect("ask"));
    assert_int_equal(stored_count, 1);
}

static void a_type_without_handler_is_parked(void **state) {
    (void)state;
    publish(1, 2, "unknown");
    worker_poll(&worker);
    assert_int_equal(backlog_builtin(worker.backlog) + backlog_slotted(worker.backlog), 0);
    struct hx_pg_tx *tx = expect("put aside");
    check_told(tx, "park(1 2) missing(1 2)");
    assert_string_equal(tx->v[0]->type, "no_handler");
    assert_ptr_equal(tx->pg, worker.side);
    assert_int_equal(stored_count, 0);
    commit(tx);
    assert_int_equal(stored[0], 101);
}

static void a_full_backlog_pauses_fetching(void **state) {
    (void)state;
    publish(1, 15, MOCK);
    publish(16, 30, MOCK);
    publish(31, 31, MOCK);
    worker_poll(&worker);
    assert_int_equal(record_next, 2); /* twice the batch is 16 */
    assert_true(worker.paused && consumer_paused);
    while (backlog_builtin(worker.backlog) >= 16)
        commit(send());
    worker_poll(&worker);
    assert_false(consumer_paused);
    worker_poll(&worker);
    assert_int_equal(record_next, 3);
}

static void a_revoked_partition_stores_nothing(void **state) {
    (void)state;
    publish(1, 2, MOCK);
    worker_poll(&worker);
    struct hx_pg_tx *tx = send();
    consumer_callbacks.revoked("t", 1, &worker);
    commit(tx);
    assert_int_equal(stored_count, 0);
    assert_int_equal(hx_progress_records(worker.progress), 0);
}

static void a_draining_worker_reads_nothing(void **state) {
    (void)state;
    publish(1, 2, MOCK);
    worker_drain(&worker);
    assert_true(consumer_left);
    worker_poll(&worker);
    assert_int_equal(record_next, 0);
}

static void subscribes_to_both_bands_of_each_queue(void **state) {
    (void)state;
    assert_int_equal(consumer_options.high_count, 1);
    assert_int_equal(consumer_options.low_count, 1);
    assert_null(consumer_options.instance_id); /* run alone it is a dynamic member */
}

/* By the slot's name: who comes after it in the slot has its partitions without a rebalance. */
static void under_a_supervisor_it_is_a_static_member(void **state) {
    (void)state;
    struct hx_kafka_error error;
    worker.channel = (struct hx_channel *)&worker; /* only whether there is one is asked */
    int r = worker_consume(&worker, &error);
    worker.channel = NULL;
    assert_int_equal(r, 0);
    assert_string_equal(consumer_member, "host-main-0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(offsets_are_stored_after_the_commit, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_record_is_done_with_all_of_its_ids, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_later_record_waits_for_an_earlier_one, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(in_doubt_stores_only_when_it_is_known, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_type_without_handler_is_parked, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_full_backlog_pauses_fetching, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_revoked_partition_stores_nothing, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(a_draining_worker_reads_nothing, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(subscribes_to_both_bands_of_each_queue, open_consumer, close_consumer),
        cmocka_unit_test_setup_teardown(under_a_supervisor_it_is_a_static_member, open_consumer, close_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
