/* Claim rows that the worker doesn't know of are found, once nothing of its own is in flight. */
#include "tests/unit/worker/fixture.h"

#include "worker/audit.h"

/* A claim of ours in PostgreSQL, with its jobs, that no run here stands for. */
static void forget(unsigned first, unsigned final) {
    const struct hx_uuid token = hx_uuid_v4();
    claim_held[claim_index(&token)] = true;
    for (unsigned n = first; n <= final; n++) {
        add_job(n, MOCK);
        jobs[n].status = HX_RUNNING;
        jobs[n].token = token;
        jobs[n].fence = jobs[n].attempt = 1;
        jobs[n].max_attempts = 3;
    }
}

static struct hx_pg_tx *asking(void) {
    audit_want(&worker);
    assert_true(audit_step(&worker));
    struct hx_pg_tx *tx = expect("audit");
    check_told(tx, "claims");
    assert_ptr_equal(tx->pg, worker.work);
    return tx;
}

static void what_it_knows_is_left_alone(void **state) {
    (void)state;
    hold(1, 2, SHELL);
    commit(asking());
    assert_null(find("adopt"));
    assert_false(audit_step(&worker));
}

static void what_it_does_not_know_is_taken_up(void **state) {
    (void)state;
    hold(1, 1, SHELL);
    forget(11, 12);
    commit(asking());
    commit(expect("adopt"));
    assert_non_null(run_of(11));
    assert_non_null(run_of(12));
    commit(send());
    assert_int_equal(jobs[11].status, HX_SUCCEEDED);
    assert_int_equal(jobs[11].ends, 1);
    assert_int_equal(claims_held(), 1);
}

static void a_claim_of_nothing_is_deleted(void **state) {
    (void)state;
    const struct hx_uuid token = hx_uuid_v4();
    claim_held[claim_index(&token)] = true;
    commit(asking());
    commit(expect("adopt"));
    commit(send());
    assert_int_equal(claims_held(), 0);
}

/* Its claim may be there already, and its answer not: nobody's in that moment. */
static void what_is_in_flight_comes_first(void **state) {
    (void)state;
    announce(1, 2, MOCK);
    struct hx_pg_tx *tx = send();
    audit_want(&worker);
    assert_true(audit_step(&worker));
    assert_null(find("audit"));
    commit(tx);
    assert_true(audit_step(&worker));
    commit(expect("audit"));
    assert_null(find("adopt"));
}

static void what_is_to_be_deleted_is_known(void **state) {
    (void)state;
    hold(1, 1, SHELL);
    worker.runs->claim->closing = false;
    struct run *run = run_of(1);
    worker.slots_running--;
    run_free(run);
    assert_int_equal(worker.spent_count, 1);
    commit(asking());
    assert_null(find("adopt"));
}

static void a_failed_question_is_asked_the_next_time(void **state) {
    (void)state;
    forget(11, 11);
    refuse(asking(), HX_PG_UNAVAILABLE, "");
    assert_false(audit_step(&worker));
    commit(asking());
    refuse(expect("adopt"), HX_PG_UNAVAILABLE, "");
    commit(asking());
    commit(expect("adopt"));
    assert_non_null(run_of(11));
}

/* Asked twice for one claim, its jobs would run twice. */
static void one_that_is_being_taken_up_is_not_found_again(void **state) {
    (void)state;
    forget(11, 11);
    commit(asking());
    audit_want(&worker);
    assert_false(audit_step(&worker));
    commit(expect("adopt"));
}

static void a_drain_audits_nothing_and_gives_back_what_was_found(void **state) {
    (void)state;
    forget(11, 11);
    commit(asking());
    audit_want(&worker);
    worker_drain(&worker);
    assert_false(audit_step(&worker));
    commit(expect("adopt"));
    commit(send());
    assert_int_equal(jobs[11].status, HX_QUEUED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_it_knows_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(what_it_does_not_know_is_taken_up, begin, end),
        cmocka_unit_test_setup_teardown(a_claim_of_nothing_is_deleted, begin, end),
        cmocka_unit_test_setup_teardown(what_is_in_flight_comes_first, begin, end),
        cmocka_unit_test_setup_teardown(what_is_to_be_deleted_is_known, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_question_is_asked_the_next_time, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_being_taken_up_is_not_found_again, begin, end),
        cmocka_unit_test_setup_teardown(a_drain_audits_nothing_and_gives_back_what_was_found, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
