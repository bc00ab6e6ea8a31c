/* Outcomes are written in one transaction with the claim rows that they end. */
#include "tests/unit/worker/fixture.h"

#include "worker/outcome.h"

static void successes_and_the_rest_go_separately(void **state) {
    (void)state;
    hold(1, 4, MOCK);
    finish(1, 2);
    outcome_failure(run_of(4), &(struct failure){ .code = "exit_1", .retry_after_ms = -1 });
    run_end(run_of(4));
    outcome_snooze(run_of(3), 1000);
    run_end(run_of(3));
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1 2) settle(3=queued 4=failed) answered(1 2 3 4) done(A)");
    commit(tx);
    assert_int_equal(worker.run_count, 0);
    assert_int_equal(worker.done, 4);
    assert_int_equal(jobs[3].max_attempts, 4);
    assert_int_equal(jobs[4].status, HX_FAILED);
    assert_null(send());
}

static void a_claim_row_goes_with_its_last_job(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    hold(3, 3, MOCK);
    finish(1, 1);
    finish(3, 3);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1 3) answered(1 3) done(B)");
    commit(tx);
    finish(2, 2);
    tx = send();
    check_told(tx, "complete(2) answered(2) done(A)");
    commit(tx);
    assert_int_equal(claims_held(), 0);
    assert_int_equal(worker.spent_count, 0);
}

/* Neither flight could know that it carries the last of them. */
static void a_claim_shared_by_two_flights_is_deleted_by_the_next(void **state) {
    (void)state;
    for (int first = 0; first < 2; first++) {
        hold(1, 2, MOCK);
        finish(1, 1);
        struct hx_pg_tx *tx[2] = { send() };
        finish(2, 2);
        tx[1] = send();
        check_told(tx[0], "complete(1) answered(1)");
        check_told(tx[1], "complete(2) answered(2)");
        commit(tx[first]);
        assert_null(send());
        commit(tx[!first]);
        assert_int_equal(worker.run_count, 0);
        assert_int_equal(worker.spent_count, 1);
        assert_int_equal(claims_held(), 1);
        struct hx_pg_tx *next = send();
        check_told(next, first ? "done(B)" : "done(A)");
        assert_int_equal(worker.spent_count, 0);
        commit(next);
        assert_int_equal(claims_held(), 0);
        assert_null(send());
    }
}

static void a_spent_claim_is_not_forgotten_by_a_failure(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    hold(3, 4, MOCK);
    finish(1, 1);
    struct hx_pg_tx *a = send();
    finish(2, 2);
    struct hx_pg_tx *b = send();
    commit(a);
    commit(b);
    finish(3, 3);
    a = send();
    check_told(a, "done(A) complete(3) answered(3)");
    finish(4, 4);
    b = send();
    commit(b);
    refuse(a, HX_PG_UNAVAILABLE, "57P01");
    a = send();
    check_told(a, "done(A) complete(3) answered(3) done(B)");
    refuse(a, HX_PG_RETRY, "40P01");
    a = send();
    check_told(a, "done(A) complete(3) answered(3) done(B)");
    commit(a);
    assert_int_equal(claims_held(), 0);
}

/* One of the two fails: the row waits for its jobs. */
static void never_earlier_when_the_other_flight_fails(void **state) {
    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        hold(1, 2, MOCK);
        finish(1, 1);
        struct hx_pg_tx *tx[2] = { send() };
        finish(2, 2);
        tx[1] = send();
        refuse(tx[failing], HX_PG_UNAVAILABLE, "");
        commit(tx[!failing]);
        assert_int_equal(worker.spent_count, 0);
        struct hx_pg_tx *next = send();
        assert_non_null(statement_of(next, DONE));
        commit(next);
        assert_int_equal(claims_held(), 0);
        assert_int_equal(jobs[1].ends + jobs[2].ends, 2);
    }
}

/* The flight that would have deleted the row fails, and then its jobs go in two. */
static void a_closing_flight_that_fails_opens_the_claim_again(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    finish(1, 2);
    refuse(send(), HX_PG_DATA, "22P05");
    assert_int_equal(worker.outcome_limit, 1);
    struct hx_pg_tx *a = send(), *b = send();
    check_told(a, "complete(1) answered(1)");
    check_told(b, "complete(2) answered(2)");
    commit(a);
    commit(b);
    struct hx_pg_tx *next = send();
    check_told(next, "done(A)");
    commit(next);
    assert_int_equal(claims_held(), 0);
}

static void a_stale_outcome_is_history_and_changes_nothing(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    finish(1, 2);
    jobs[2].fence = 2; /* it was taken away and runs elsewhere */
    struct hx_uuid other = hx_uuid_v4();
    jobs[2].token = other;
    commit(send());
    assert_int_equal(worker.run_count, 0);
    assert_int_equal(jobs[2].status, HX_RUNNING);
    assert_int_equal(jobs[2].ends, 0);
}

static void permits_of_limited_types_are_freed(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    hold(2, 2, FEW);
    finish(1, 1);
    outcome_success(run_of(2), NULL);
    run_end(run_of(2));
    worker_take_start(&worker);
    hx_timer_clear(worker.take_timer);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1) settle(2=succeeded) answered(1 2) free(2) done(A B)");
    commit(tx);
    assert_true(hx_timer_armed(worker.take_timer)); /* the next of them waits in PostgreSQL */
}

static void a_batch_is_bounded_in_number_and_bytes(void **state) {
    (void)state;
    hold(1, 12, MOCK);
    for (unsigned n = 1; n <= 12; n++) {
        _cleanup_buf_ struct hx_buf result = { 0 };
        hx_buf_putc(&result, '"');
        while (n <= 6 && result.len < 1024 * 1024)
            hx_buf_puts(&result, "0123456789abcdef");
        hx_buf_putc(&result, '"');
        outcome_success(run_of(n), result.data);
        run_end(run_of(n));
    }
    struct hx_pg_tx *a = send(), *b = send();
    assert_int_equal(statement_of(a, SETTLE)->n, 4);
    assert_int_equal(statement_of(b, SETTLE)->n, 8);
    commit(a);
    commit(b);
    assert_int_equal(worker.run_count, 0);
}

static void evidence_is_free_only_after_the_commit(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    struct hx_evidence_entry *entry = run_of(1)->evidence;
    assert_int_equal(entry->state, HX_EVIDENCE_STARTED);
    finish(1, 1);
    assert_int_equal(entry->state, HX_EVIDENCE_ENDED);
    struct hx_pg_tx *tx = send();
    assert_int_equal(entry->state, HX_EVIDENCE_ENDED);
    refuse(tx, HX_PG_UNAVAILABLE, "");
    assert_int_equal(entry->state, HX_EVIDENCE_ENDED);
    commit(send());
    assert_int_equal(entry->state, HX_EVIDENCE_FREE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(successes_and_the_rest_go_separately, begin, end),
        cmocka_unit_test_setup_teardown(a_claim_row_goes_with_its_last_job, begin, end),
        cmocka_unit_test_setup_teardown(a_claim_shared_by_two_flights_is_deleted_by_the_next, begin, end),
        cmocka_unit_test_setup_teardown(a_spent_claim_is_not_forgotten_by_a_failure, begin, end),
        cmocka_unit_test_setup_teardown(never_earlier_when_the_other_flight_fails, begin, end),
        cmocka_unit_test_setup_teardown(a_closing_flight_that_fails_opens_the_claim_again, begin, end),
        cmocka_unit_test_setup_teardown(a_stale_outcome_is_history_and_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(permits_of_limited_types_are_freed, begin, end),
        cmocka_unit_test_setup_teardown(a_batch_is_bounded_in_number_and_bytes, begin, end),
        cmocka_unit_test_setup_teardown(evidence_is_free_only_after_the_commit, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
