/* A connection broke in a COMMIT: the claim's token answers. */
#include "tests/unit/worker/fixture.h"

static struct hx_pg_tx *asked_again(void) {
    PUMP(find("ask"));
    return expect("ask");
}

/* Outcomes 1 and 2, a claim of 11 and 12, and one of 21 with a limit. */
static struct hx_pg_tx *in_doubt(bool did_commit) {
    hold(1, 2, MOCK);
    finish(1, 2);
    announce(11, 12, MOCK);
    announce(21, 21, FEW);
    shell_argv[2] = "sleep 60";
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1 2) answered(1 2) done(A) claim B(11 12) limited C(21)");
    lose(tx, did_commit);
    assert_int_equal(worker.doubts, 1);
    assert_int_equal(worker.flights, 0);
    tx = expect("ask");
    check_told(tx, "backend asked B asked C again B again C");
    assert_int_equal(statement_of(tx, BACKEND)->number, OLD_BACKEND);
    assert_ptr_equal(tx->pg, worker.work);
    check_ended("");
    return tx;
}

static void committed_its_jobs_run_and_its_outcomes_are_history(void **state) {
    (void)state;
    commit(in_doubt(true));
    assert_int_equal(worker.doubts, 0);
    assert_null(run_of(1));
    assert_null(run_of(2));
    assert_int_equal(worker.done, 2);
    check_ended("11 12");
    assert_int_equal(worker.slots_running, 1);
    assert_int_equal(backlog_builtin(worker.backlog) + backlog_slotted(worker.backlog), 0);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(11 12) answered(11 12) done(B)");
    commit(tx);
    assert_int_equal(jobs[1].ends, 1);
}

static void not_committed_everything_goes_back(void **state) {
    (void)state;
    commit(in_doubt(false));
    assert_int_equal(worker.doubts, 0);
    check_ended("1 2");
    check_told(send(), "complete(1 2) answered(1 2) done(A) claim D(11 12) limited E(21)");
}

static void alive_it_is_asked_again(void **state) {
    (void)state;
    struct hx_pg_tx *tx = in_doubt(false);
    backend_alive = true;
    commit(tx);
    assert_int_equal(worker.doubts, 1);
    check_ended("");
    tx = asked_again();
    check_told(tx, "backend asked B asked C again B again C");
    commit(tx);
    assert_int_equal(worker.doubts, 1);
    backend_alive = false;
    commit(asked_again());
    assert_int_equal(worker.doubts, 0);
    check_ended("1 2");
}

static void an_answer_that_fails_is_asked_for_again(void **state) {
    (void)state;
    refuse(in_doubt(true), HX_PG_UNAVAILABLE, "");
    assert_int_equal(worker.doubts, 1);
    commit(asked_again());
    assert_int_equal(worker.doubts, 0);
    assert_null(run_of(1));
    assert_non_null(run_of(21));
}

/* It lived when it was looked for and then committed: the rows are what counts. */
static void a_commit_behind_the_look_at_the_backend_is_seen(void **state) {
    (void)state;
    struct hx_pg_tx *tx = in_doubt(true);
    backend_alive = true;
    commit(tx);
    assert_int_equal(worker.doubts, 0);
    assert_null(run_of(1));
    assert_non_null(run_of(11));
    assert_non_null(run_of(21));
}

/* One question was asked before the COMMIT came through and one after it: the lists are younger than both. */
static void a_commit_between_two_questions_is_seen(void **state) {
    (void)state;
    struct hx_pg_tx *tx = in_doubt(true);
    apply(tx);
    statement_of(tx, BACKEND)->yes = true;
    statement_of(tx, ASKED)->yes = false;
    answer(tx);
    assert_int_equal(worker.doubts, 0);
    assert_non_null(run_of(11));
    assert_non_null(run_of(12));
    assert_non_null(run_of(21));
}

static void two_in_doubt_are_asked_each(void **state) {
    (void)state;
    announce(1, 8, MOCK);
    struct hx_pg_tx *a = send(), *b = send();
    lose(a, true);
    lose(b, false);
    assert_int_equal(worker.doubts, 2);
    a = pending[0];
    b = pending[1];
    check_told(a, "backend asked A again A");
    check_told(b, "backend asked B again B");
    commit(b);
    assert_int_equal(worker.doubts, 1);
    assert_int_equal(backlog_builtin(worker.backlog), 4);
    commit(a);
    assert_int_equal(worker.doubts, 0);
    check_ended("1 2 3 4");
    check_told(send(), "complete(1 2 3 4) answered(1 2 3 4) done(A) claim C(5 6 7 8)");
}

static void what_a_draining_worker_finds_it_had_claimed_is_released(void **state) {
    (void)state;
    announce(1, 2, MOCK);
    lose(send(), true);
    worker_drain(&worker);
    commit(expect("ask"));
    struct hx_pg_tx *tx = send();
    check_told(tx, "settle(1=queued 2=queued) answered(1 2) done(A)");
    commit(tx);
    assert_int_equal(jobs[1].attempt, 0);
}

/* Nothing of it would show that it committed: its progress would be told twice, or not at all. */
static void progress_alone_has_a_receipt(void **state) {
    (void)state;
    for (int did_commit = 0; did_commit < 2; did_commit++) {
        unsigned n = 1 + (unsigned)did_commit;
        hold(n, n, MOCK);
        run_tell(run_of(n), hx_strdup("a"), true);
        struct hx_pg_tx *tx = send();
        check_told(tx, did_commit ? "progress(2) receipt E" : "progress(1) receipt B");
        lose(tx, did_commit);
        assert_int_equal(worker.doubts, 1);
        run_tell(run_of(n), hx_strdup("b"), true);
        commit(expect("ask"));
        assert_int_equal(worker.doubts, 0);
        for (tx = send(); tx; tx = send())
            commit(tx);
        assert_string_equal(jobs[n].told.data, "ab");
        finish(n, n);
        commit(send());
        assert_int_equal(claims_held(), 0);
    }
}

/* All its candidates were duplicates: a claim that takes nothing leaves no row to ask for. */
static void progress_beside_a_claim_of_nothing_has_a_receipt(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    run_tell(run_of(1), hx_strdup("a"), true);
    announce(11, 11, MOCK);
    jobs[11].status = HX_SUCCEEDED;
    lose(send(), true);
    commit(expect("ask"));
    assert_int_equal(worker.messages, 0);
    check_told(send(), "done(B)");
    assert_string_equal(jobs[1].told.data, "a");
}

static void a_receipt_is_gone_before_the_worker_is(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    run_tell(run_of(1), hx_strdup("a"), true);
    finish(1, 1);
    struct hx_pg_tx *tx = send();
    check_told(tx, "progress(1) receipt B complete(1) answered(1) done(A)");
    worker_drain(&worker);
    commit(tx);
    worker_drain_step(&worker);
    assert_false(worker.signing_off);
    commit(send());
    assert_int_equal(claims_held(), 0);
    worker_drain_step(&worker);
    assert_true(worker.signing_off);
}

static void messages_share_the_answer(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    run_tell(run_of(1), hx_strdup("a"), true);
    announce(11, 11, MOCK);
    lose(send(), true);
    assert_true(worker.telling);
    commit(expect("ask"));
    assert_false(worker.telling);
    assert_int_equal(worker.messages, 0);
    assert_string_equal(jobs[1].told.data, "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(committed_its_jobs_run_and_its_outcomes_are_history, begin, end),
        cmocka_unit_test_setup_teardown(not_committed_everything_goes_back, begin, end),
        cmocka_unit_test_setup_teardown(alive_it_is_asked_again, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_that_fails_is_asked_for_again, begin, end),
        cmocka_unit_test_setup_teardown(a_commit_behind_the_look_at_the_backend_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(a_commit_between_two_questions_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(two_in_doubt_are_asked_each, begin, end),
        cmocka_unit_test_setup_teardown(what_a_draining_worker_finds_it_had_claimed_is_released, begin, end),
        cmocka_unit_test_setup_teardown(progress_alone_has_a_receipt, begin, end),
        cmocka_unit_test_setup_teardown(progress_beside_a_claim_of_nothing_has_a_receipt, begin, end),
        cmocka_unit_test_setup_teardown(a_receipt_is_gone_before_the_worker_is, begin, end),
        cmocka_unit_test_setup_teardown(messages_share_the_answer, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
