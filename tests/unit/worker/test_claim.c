/* What a claim asks for, and what becomes of what it got. */
#include "tests/unit/worker/fixture.h"

static void asks_for_each_id_once_in_their_order(void **state) {
    (void)state;
    announce(5, 6, MOCK);
    announce(3, 3, MOCK);
    announce(5, 5, MOCK);
    struct hx_pg_tx *tx = send();
    check_told(tx, "claim A(3 5 6)");
    assert_int_equal(worker.builtin_claiming, 4);
    commit(tx);
    assert_int_equal(worker.builtin_claiming, 0);
    assert_int_equal(worker.run_count, 3);
}

static void an_id_that_somebody_else_took_is_nothing(void **state) {
    (void)state;
    announce(1, 3, MOCK);
    jobs[2].status = HX_RUNNING;
    commit(send());
    assert_null(run_of(2));
    assert_int_equal(worker.run_count, 2);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1 3) answered(1 3) done(A)");
    jobs[2].status = HX_QUEUED; /* it can be had later, by a claim of its own */
    announce(2, 2, MOCK);
    commit(tx);
    commit(send());
    assert_non_null(run_of(2));
}

static void a_claim_that_got_nothing_leaves_nothing(void **state) {
    (void)state;
    announce(1, 2, MOCK);
    jobs[1].status = jobs[2].status = HX_SUCCEEDED;
    commit(send());
    assert_int_equal(worker.run_count, 0);
    assert_int_equal(claims_held(), 0);
    assert_null(send());
}

static void builtins_never_exceed_the_batch(void **state) {
    (void)state;
    announce(1, 20, MOCK);
    struct hx_pg_tx *a = send(), *b = send();
    assert_int_equal(statement_of(a, CLAIM)->n, 4);
    assert_int_equal(statement_of(b, CLAIM)->n, 4);
    assert_int_equal(worker.builtin_claiming, 8);
    assert_null(send()); /* were there a third */
    for (unsigned n = 1; n <= 8; n++)
        jobs[n].payload = "{\"fail\":\"hang\"}";
    commit(a);
    assert_int_equal(worker.builtin_running + worker.builtin_claiming, 8);
    assert_null(send());
    commit(b);
    assert_int_equal(worker.builtin_running, 8);
    assert_null(send());
    run_stop(run_of(1), STOP_CANCEL, "why");
    run_stop(run_of(2), STOP_CANCEL, "why");
    check_told(send(), "settle(1=canceled 2=canceled) answered(1 2) claim C(9 10)");
}

static void programs_never_exceed_the_slots(void **state) {
    (void)state;
    shell_argv[2] = "sleep 60";
    announce(1, 9, SHELL);
    announce(11, 12, MOCK);
    struct hx_pg_tx *a = send();
    check_told(a, "claim A(1 2 3 4 11 12)");
    announce(13, 13, MOCK);
    struct hx_pg_tx *b = send();
    check_told(b, "claim B(13)");
    commit(a);
    commit(b);
    assert_int_equal(worker.slots_running, 4);
    struct hx_pg_tx *c = send();
    assert_null(statement_of(c, CLAIM));
}

static void a_batch_of_one_goes_on(void **state) {
    (void)state;
    settings[HX_WORKER_BATCH] = 1;
    announce(1, 2, MOCK);
    struct hx_pg_tx *tx = send();
    assert_non_null(tx);
    check_told(tx, "claim A(1)");
    assert_null(send());
}

static void limited_types_have_claims_of_their_own(void **state) {
    (void)state;
    shell_argv[2] = "sleep 60";
    announce(1, 2, FEW);
    announce(3, 3, FEW);
    announce(3, 3, FEW);
    announce(11, 12, MOCK);
    struct hx_pg_tx *tx = send();
    check_told(tx, "claim A(11 12) limited B(1 2 3)");
    assert_string_equal(statement_of(tx, LIMITED)->type, FEW);
    assert_int_equal(statement_of(tx, LIMITED)->number, 3);
    commit(tx);
    assert_int_equal(worker.slots_running, 2); /* as many as there were permits */
    assert_null(run_of(3));
    assert_ptr_equal(run_of(1)->claim, run_of(2)->claim);
    assert_ptr_not_equal(run_of(1)->claim, run_of(11)->claim);
}

/* Urgent ones start first, whatever their ids. */
static void starts_by_priority(void **state) {
    (void)state;
    announce(1, 3, MOCK);
    jobs[3].priority = 5;
    commit(send());
    assert_int_equal(number_of(&worker.ended_head->id), 3);
}

static void a_late_claim_is_released(void **state) {
    (void)state;
    announce(1, 2, SHELL);
    struct hx_pg_tx *tx = send();
    worker_drain(&worker);
    commit(tx);
    assert_int_equal(worker.slots_running, 0);
    assert_null(run_of(1)->exec);
    assert_null(run_of(1)->evidence);
    tx = send();
    check_told(tx, "settle(1=queued 2=queued) answered(1 2) done(A)");
    assert_string_equal(statement_of(tx, SETTLE)->outcomes[0].reason, "released");
    commit(tx);
    assert_int_equal(jobs[1].attempt, 0); /* given back */
    assert_int_equal(jobs[1].max_attempts, 3);
    assert_int_equal(jobs[1].fence, 1);
    assert_int_equal(claims_held(), 0);
}

static void a_draining_worker_claims_nothing(void **state) {
    (void)state;
    worker_drain(&worker);
    announce(1, 2, MOCK);
    assert_null(send());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_for_each_id_once_in_their_order, begin, end),
        cmocka_unit_test_setup_teardown(an_id_that_somebody_else_took_is_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_claim_that_got_nothing_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(builtins_never_exceed_the_batch, begin, end),
        cmocka_unit_test_setup_teardown(programs_never_exceed_the_slots, begin, end),
        cmocka_unit_test_setup_teardown(a_batch_of_one_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(limited_types_have_claims_of_their_own, begin, end),
        cmocka_unit_test_setup_teardown(starts_by_priority, begin, end),
        cmocka_unit_test_setup_teardown(a_late_claim_is_released, begin, end),
        cmocka_unit_test_setup_teardown(a_draining_worker_claims_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
