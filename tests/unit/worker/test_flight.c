/* Transactions that fail, two at a time: everything goes back to where it came from, and nothing is lost or doubled. */
#include "tests/unit/worker/fixture.h"

static void picks_up(struct batch *batch, size_t room) {
    batch->v = hx_allocn(2 * room, sizeof *batch->v);
    backlog_pick(worker.backlog, room, room, batch);
}

static void check_backlog(unsigned first, unsigned final) {
    struct batch batch = { 0 };
    picks_up(&batch, 64);
    assert_int_equal(batch.n, final - first + 1);
    for (size_t i = 0; i < batch.n; i++)
        assert_int_equal(number_of(&batch.v[i].id), first + i);
    backlog_return(worker.backlog, batch.v, batch.n);
    free(batch.v);
}

static void an_undone_flight_puts_everything_back(void **state) {
    (void)state;
    hold(1, 3, MOCK);
    finish(1, 3);
    announce(11, 16, MOCK);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1 2 3) answered(1 2 3) done(A) claim B(11 12 13 14)");
    check_ended("");
    assert_int_equal(worker.builtin_claiming, 4);
    refuse(tx, HX_PG_UNAVAILABLE, "57P01");
    check_ended("1 2 3");
    check_backlog(11, 16);
    assert_int_equal(worker.flights, 0);
    assert_int_equal(worker.builtin_claiming, 0);
    assert_true(hx_timer_armed(worker.work_pause));
    assert_false(worker.claims_skipped);
    check_told(send(), "complete(1 2 3) answered(1 2 3) done(A) claim C(11 12 13 14)");
}

static void both_flights_go_back_in_their_order(void **state) {
    (void)state;
    hold(1, 4, MOCK);
    finish(1, 2);
    announce(11, 20, MOCK);
    struct hx_pg_tx *a = send();
    finish(3, 4);
    struct hx_pg_tx *b = send();
    check_told(a, "complete(1 2) answered(1 2) claim B(11 12 13 14)");
    check_told(b, "complete(3 4) answered(3 4) claim C(15 16 17 18)");
    announce(21, 21, MOCK);
    refuse(b, HX_PG_UNAVAILABLE, "");
    refuse(a, HX_PG_UNAVAILABLE, "");
    check_ended("1 2 3 4");
    check_backlog(11, 21);
    a = send();
    check_told(a, "complete(1 2 3 4) answered(1 2 3 4) done(A) claim D(11 12 13 14)");
    commit(a);
    for (unsigned n = 1; n <= 4; n++)
        assert_int_equal(jobs[n].ends, 1);
    assert_int_equal(worker.done, 4);
}

static void one_fails_and_the_other_commits(void **state) {
    (void)state;
    hold(1, 4, MOCK);
    finish(1, 2);
    announce(11, 18, MOCK);
    struct hx_pg_tx *a = send();
    finish(3, 4);
    struct hx_pg_tx *b = send();
    refuse(a, HX_PG_RETRY, "40P01");
    check_ended("1 2");
    commit(b);
    assert_int_equal(worker.done, 2);
    check_ended("1 2 15 16 17 18"); /* mocks end at once */
    check_backlog(11, 14);
}

static void after_a_retry_the_completion_goes_alone_once(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    finish(1, 2);
    announce(11, 12, MOCK);
    struct hx_pg_tx *tx = send();
    refuse(tx, HX_PG_RETRY, "40P01");
    assert_true(worker.claims_skipped);
    tx = send();
    check_told(tx, "complete(1 2) answered(1 2) done(A)");
    commit(tx);
    assert_false(worker.claims_skipped);
    check_told(send(), "claim C(11 12)");
}

static void a_claim_that_fails_afterwards_does_not_end_the_solitude(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    announce(11, 18, MOCK);
    finish(1, 1);
    struct hx_pg_tx *a = send(), *b = send();
    check_told(b, "claim C(15 16 17 18)");
    refuse(a, HX_PG_RETRY, "40P01");
    refuse(b, HX_PG_RETRY, "40P01");
    check_told(send(), "complete(1) answered(1) done(A)");
}

static void a_retry_of_a_claim_alone_skips_nothing(void **state) {
    (void)state;
    announce(11, 12, MOCK);
    refuse(send(), HX_PG_RETRY, "40001");
    assert_false(worker.claims_skipped);
    check_told(send(), "claim B(11 12)");
}

/* As PostgreSQL would end it. */
static void serve(struct hx_pg_tx *tx) {
    if (is_poisoned(tx))
        refuse(tx, HX_PG_DATA, "22P05");
    else
        commit(tx);
}

static void a_bad_value_is_halved_down_to(void **state) {
    (void)state;
    for (unsigned culprit = 1; culprit <= 8; culprit++) {
        hold(1, 8, MOCK);
        jobs[culprit].poison = true;
        finish(1, 8);
        struct hx_pg_tx *tx;
        for (int i = 0; worker.run_count; i++) {
            assert_true(i < 20);
            tx = send();
            assert_non_null(tx);
            serve(tx);
        }
        for (unsigned n = 1; n <= 8; n++) {
            assert_int_equal(jobs[n].ends, 1);
            assert_int_equal(jobs[n].status, n == culprit ? HX_DEAD_LETTER : HX_SUCCEEDED);
            assert_string_equal(jobs[n].code, n == culprit ? "22P05" : "");
        }
        while ((tx = send())) /* the row of a claim that nobody saw the end of */
            serve(tx);
        assert_int_equal(claims_held(), 0);
    }
}

static void two_bad_values_are_both_found(void **state) {
    (void)state;
    hold(1, 8, MOCK);
    jobs[2].poison = jobs[7].poison = true;
    finish(1, 8);
    for (int i = 0; worker.run_count; i++) {
        assert_true(i < 30);
        serve(send());
    }
    for (unsigned n = 1; n <= 8; n++)
        assert_int_equal(jobs[n].status, n == 2 || n == 7 ? HX_DEAD_LETTER : HX_SUCCEEDED);
}

/* It may be the claim beside it that is refused: the outcome has to fail alone. */
static void a_lone_outcome_is_not_condemned_for_a_claim(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    finish(1, 1);
    announce(11, 12, MOCK);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1) answered(1) done(A) claim B(11 12)");
    refuse(tx, HX_PG_DATA, "22003");
    tx = send();
    check_told(tx, "complete(1) answered(1) done(A)");
    commit(tx);
    assert_int_equal(jobs[1].status, HX_SUCCEEDED);
}

static void a_condemned_outcome_keeps_nothing_of_the_handler(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    finish(1, 1);
    refuse(send(), HX_PG_DATA, "22P05");
    struct hx_pg_tx *tx = send();
    check_told(tx, "settle(1=dead_letter) answered(1) done(A)");
    assert_string_equal(statement_of(tx, SETTLE)->texts[0], "22P05");
    commit(tx);
    assert_int_equal(jobs[1].status, HX_DEAD_LETTER);
}

/* A thousand jobs would wait for ten growing pauses of somebody else's bad value. */
static void a_search_that_gets_on_makes_nobody_wait(void **state) {
    (void)state;
    hold(1, 8, MOCK);
    finish(1, 8);
    for (int i = 0; i < 4; i++) { /* 8, 4, 2, 1 */
        refuse(send(), HX_PG_DATA, "22P05");
        assert_false(hx_timer_armed(worker.work_pause));
    }
    refuse(send(), HX_PG_DATA, "22P05"); /* even without anything of the handler's */
    assert_true(hx_timer_armed(worker.work_pause));
}

static void the_limit_grows_back(void **state) {
    (void)state;
    hold(1, 8, MOCK);
    finish(1, 8);
    refuse(send(), HX_PG_DATA, "22P05");
    assert_int_equal(worker.outcome_limit, 4);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1 2 3 4) answered(1 2 3 4)");
    commit(tx);
    assert_int_equal(worker.outcome_limit, 8);
    check_told(send(), "complete(5 6 7 8) answered(5 6 7 8) done(A)");
}

static void a_break_without_a_claim_is_repeated(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    finish(1, 2);
    lose(send(), true);
    assert_int_equal(worker.doubts, 0);
    check_ended("1 2");
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(1 2) answered(1 2) done(A)");
    commit(tx); /* refused by the status, and history all the same */
    assert_int_equal(worker.run_count, 0);
    assert_int_equal(jobs[1].ends, 1);
}

static void a_draining_worker_keeps_no_candidates(void **state) {
    (void)state;
    announce(11, 12, MOCK);
    struct hx_pg_tx *tx = send();
    worker_drain(&worker);
    refuse(tx, HX_PG_UNAVAILABLE, "");
    assert_int_equal(backlog_builtin(worker.backlog), 0);
    assert_null(send());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_undone_flight_puts_everything_back, begin, end),
        cmocka_unit_test_setup_teardown(both_flights_go_back_in_their_order, begin, end),
        cmocka_unit_test_setup_teardown(one_fails_and_the_other_commits, begin, end),
        cmocka_unit_test_setup_teardown(after_a_retry_the_completion_goes_alone_once, begin, end),
        cmocka_unit_test_setup_teardown(a_claim_that_fails_afterwards_does_not_end_the_solitude, begin, end),
        cmocka_unit_test_setup_teardown(a_retry_of_a_claim_alone_skips_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_value_is_halved_down_to, begin, end),
        cmocka_unit_test_setup_teardown(two_bad_values_are_both_found, begin, end),
        cmocka_unit_test_setup_teardown(a_lone_outcome_is_not_condemned_for_a_claim, begin, end),
        cmocka_unit_test_setup_teardown(a_condemned_outcome_keeps_nothing_of_the_handler, begin, end),
        cmocka_unit_test_setup_teardown(a_search_that_gets_on_makes_nobody_wait, begin, end),
        cmocka_unit_test_setup_teardown(the_limit_grows_back, begin, end),
        cmocka_unit_test_setup_teardown(a_break_without_a_claim_is_repeated, begin, end),
        cmocka_unit_test_setup_teardown(a_draining_worker_keeps_no_candidates, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
