/* Stages and progress: kept and sent before the end or with it, progress coalesced, nothing sent twice. */
#include "tests/unit/worker/fixture.h"

static void tell(unsigned n, const char *text, bool stage) {
    run_tell(run_of(n), hx_strdup(text), stage);
}

static void check_sent(const struct hx_pg_tx *tx, size_t index, unsigned n, const char *text) {
    assert_in_range(index, 0, tx->n - 1);
    const struct statement *s = tx->v[index];
    assert_int_equal(s->kind, PROGRESS);
    for (size_t i = 0; i < s->n; i++)
        if (number_of(&s->ids[i]) == n) {
            assert_string_equal(s->texts[i], text);
            return;
        }
    fail();
}

static void progress_is_coalesced_and_stages_are_not(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    tell(1, "a", true);
    tell(1, "10", false);
    tell(1, "20", false);
    tell(1, "30", false);
    tell(1, "b", true);
    tell(1, "c", true);
    tell(1, "40", false);
    assert_int_equal(worker.messages, 5);
    commit(send());
    assert_string_equal(jobs[1].told.data, "a30bc40");
    assert_int_equal(worker.messages, 0);
    check_told(send(), "done(B)"); /* the receipt */
    assert_null(send());
}

static void the_kth_message_of_each_run_makes_the_kth_statement(void **state) {
    (void)state;
    hold(1, 3, MOCK);
    tell(3, "a", true);
    tell(1, "x", true);
    tell(1, "y", true);
    struct hx_pg_tx *tx = send();
    check_told(tx, "progress(1 3) progress(1) receipt B");
    check_sent(tx, 0, 1, "x");
    check_sent(tx, 0, 3, "a");
    check_sent(tx, 1, 1, "y");
}

static void what_is_on_its_way_is_neither_sent_again_nor_changed(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    tell(1, "a", true);
    tell(1, "10", false);
    struct hx_pg_tx *tx = send();
    tell(1, "20", false);
    tell(1, "30", false);
    assert_null(send()); /* one flight tells at a time: the order is kept */
    commit(tx);
    assert_string_equal(jobs[1].told.data, "a10");
    tx = send();
    check_told(tx, "progress(1) receipt C done(B)");
    check_sent(tx, 0, 1, "30");
    commit(tx);
    assert_string_equal(jobs[1].told.data, "a1030");
}

static void a_failed_flight_keeps_them_in_order(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    tell(1, "a", true);
    tell(1, "10", false);
    struct hx_pg_tx *tx = send();
    tell(1, "b", true);
    refuse(tx, HX_PG_RETRY, "40001");
    assert_int_equal(worker.messages, 3);
    assert_false(worker.telling);
    commit(send());
    assert_string_equal(jobs[1].told.data, "a10b");
}

static void stages_go_before_the_end_or_with_it(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    tell(1, "a", true);
    finish(1, 1);
    struct hx_pg_tx *tx = send();
    check_told(tx, "progress(1) receipt B complete(1) answered(1) done(A)");
    commit(tx);
    assert_string_equal(jobs[1].told.data, "a");
    assert_int_equal(worker.run_count, 0);
}

/* Its stages are on the way in another flight: if that fails they have to be sent before the end is. */
static void an_end_waits_for_stages_in_another_flight(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    tell(1, "a", true);
    struct hx_pg_tx *a = send();
    finish(2, 2);
    finish(1, 1);
    struct hx_pg_tx *b = send();
    check_told(b, "complete(2) answered(2)");
    commit(b);
    assert_null(send());
    refuse(a, HX_PG_UNAVAILABLE, "");
    a = send();
    check_told(a, "progress(1) receipt C complete(1) answered(1) done(A)");
    commit(a);
    assert_string_equal(jobs[1].told.data, "a");
}

static void a_talkative_run_is_told_in_rounds(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    for (int i = 0; i < 2 * TELL_ROUNDS + 3; i++)
        tell(1, "s", true);
    finish(1, 2);
    struct hx_pg_tx *tx = send();
    assert_int_equal(tx->n, TELL_ROUNDS + 1); /* and the receipt */
    assert_null(statement_of(tx, COMPLETE));
    commit(tx);
    commit(send());
    tx = send();
    assert_non_null(statement_of(tx, COMPLETE));
    commit(tx);
    assert_int_equal(jobs[1].told.len, 2 * TELL_ROUNDS + 3);
    assert_int_equal(jobs[1].ends, 1);
    assert_int_equal(worker.messages, 0);
}

static void a_run_that_is_forgotten_takes_its_messages_along(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    tell(1, "a", true);
    tell(2, "b", true);
    run_free(run_of(1));
    assert_int_equal(worker.messages, 1);
    check_told(send(), "progress(2) receipt B");
}

/* A trigger of somebody's, or an encoding without that character: it must stop neither the worker nor the job, and condemn nobody. */
static void a_message_that_is_refused_goes_alone_and_is_dropped(void **state) {
    (void)state;
    hold(1, 2, MOCK);
    tell(1, "a", true);
    tell(1, "bad", true);
    tell(1, "c", true);
    tell(2, "x", true);
    finish(2, 2);
    announce(11, 11, MOCK);
    struct hx_pg_tx *tx;
    for (int i = 0; (tx = send()); i++) {
        assert_true(i < 20);
        bool bad = false;
        for (size_t s = 0; s < tx->n; s++)
            for (size_t k = 0; tx->v[s]->kind == PROGRESS && k < tx->v[s]->n; k++)
                bad |= hx_streq(tx->v[s]->texts[k], "bad");
        if (bad)
            refuse(tx, HX_PG_DATA, "22P05");
        else
            commit(tx);
    }
    assert_string_equal(jobs[1].told.data, "ac");
    assert_string_equal(jobs[2].told.data, "x");
    assert_int_equal(jobs[2].status, HX_SUCCEEDED);
    assert_int_equal(jobs[11].status, HX_SUCCEEDED);
    assert_int_equal(worker.messages, 0);
    assert_int_equal(worker.tell_singly, 0);
    assert_int_equal(claims_held(), 1); /* of job 1, which runs */
}

/* While others go on talking. */
static void an_outcome_that_is_refused_is_found_among_messages(void **state) {
    (void)state;
    hold(1, 4, MOCK);
    jobs[2].poison = true;
    finish(1, 3);
    for (int i = 0; worker.run_count > 1; i++) {
        assert_true(i < 40);
        tell(4, "s", true);
        struct hx_pg_tx *tx = send();
        assert_non_null(tx);
        if (is_poisoned(tx))
            refuse(tx, HX_PG_DATA, "22P05");
        else
            commit(tx);
    }
    assert_int_equal(jobs[1].status, HX_SUCCEEDED);
    assert_int_equal(jobs[2].status, HX_DEAD_LETTER);
    assert_int_equal(jobs[3].status, HX_SUCCEEDED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(progress_is_coalesced_and_stages_are_not, begin, end),
        cmocka_unit_test_setup_teardown(the_kth_message_of_each_run_makes_the_kth_statement, begin, end),
        cmocka_unit_test_setup_teardown(what_is_on_its_way_is_neither_sent_again_nor_changed, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_flight_keeps_them_in_order, begin, end),
        cmocka_unit_test_setup_teardown(stages_go_before_the_end_or_with_it, begin, end),
        cmocka_unit_test_setup_teardown(an_end_waits_for_stages_in_another_flight, begin, end),
        cmocka_unit_test_setup_teardown(a_talkative_run_is_told_in_rounds, begin, end),
        cmocka_unit_test_setup_teardown(a_message_that_is_refused_goes_alone_and_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(an_outcome_that_is_refused_is_found_among_messages, begin, end),
        cmocka_unit_test_setup_teardown(a_run_that_is_forgotten_takes_its_messages_along, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
