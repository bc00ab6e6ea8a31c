/* The worker's row: registration, renewal, cancellations. */
#include "tests/unit/worker/fixture.h"

#include "lib/ledger/schema.h"
#include "worker/audit.h"

static int begin_unregistered(void **state) {
    int r = begin(state);
    worker.registered = false;
    worker.id = 0;
    return r;
}

static struct hx_pg_tx *next(const char *name) {
    PUMP(find(name));
    return expect(name);
}

static void answer_schema(const char *revision) {
    struct hx_pg_tx *tx = next("schema");
    tx->v[0]->row_count = revision ? 1 : 0;
    tx->v[0]->text[0] = revision;
    answer(tx);
}

static void registers_and_starts(void **state) {
    (void)state;
    worker_register(&worker);
    answer_schema(hx_schema_head());
    assert_false(worker.registered);
    struct hx_pg_tx *tx = expect("register");
    check_told(tx, "types worker");
    assert_int_equal(tx->v[0]->number, 3);
    tx->v[1]->number = 7;
    answer(tx);
    assert_true(worker.registered);
    assert_true(worker_lease_held(&worker));
    assert_int_equal(worker.id, 7);
    assert_int_equal(worker.evidence->worker_id, 7);
    assert_non_null(worker.consumer);
    assert_true(hx_timer_armed(worker.renew_timer));
    next("take");
}

static void another_schema_ends_it(void **state) {
    (void)state;
    const char *const revisions[] = { "0123456789ab", NULL };
    for (size_t i = 0; i < 2; i++) {
        worker.leaving = false;
        worker_register(&worker);
        answer_schema(revisions[i]);
        assert_true(worker.leaving);
        assert_int_equal(worker.exit_code, HX_EXIT_CONFIG);
    }
    worker.leaving = false;
    worker_register(&worker);
    refuse(expect("schema"), HX_PG_SCHEMA, "42P01");
    assert_true(worker.leaving);
}

static void a_refused_configuration_of_kafka_ends_it(void **state) {
    (void)state;
    consumer_refused = true;
    worker_register(&worker);
    answer_schema(hx_schema_head());
    struct hx_pg_tx *tx = expect("register");
    tx->v[1]->number = 7;
    answer(tx);
    assert_true(worker.leaving);
    assert_int_equal(worker.exit_code, HX_EXIT_CONFIG);
}

static void an_absent_database_is_waited_for(void **state) {
    (void)state;
    worker_register(&worker);
    refuse(expect("schema"), HX_PG_UNAVAILABLE, "");
    assert_false(worker.leaving);
    answer_schema(hx_schema_head());
    refuse(expect("register"), HX_PG_RETRY, "40P01");
    answer_schema(hx_schema_head());
    struct hx_pg_tx *tx = expect("register");
    tx->v[1]->number = 7;
    answer(tx);
    assert_true(worker.registered);
}

static void renews_and_says_how_much_runs(void **state) {
    (void)state;
    settings[HX_WORKER_LEASE] = 40;
    hold(1, 2, MOCK);
    worker_lease_start(&worker);
    struct hx_pg_tx *tx = next("renew");
    assert_int_equal(tx->v[0]->number, 2);
    assert_int_equal(tx->timeout_ms, 10);
    tx->v[0]->yes = true;
    answer(tx);
    refuse(next("renew"), HX_PG_UNAVAILABLE, "");
    assert_false(worker.leaving);
    next("renew");
}

static void declared_dead_it_ends(void **state) {
    (void)state;
    settings[HX_WORKER_LEASE] = 30;
    worker_lease_start(&worker);
    answer(next("renew"));
    assert_true(worker.leaving);
    assert_int_equal(worker.exit_code, HX_EXIT_TRY_AGAIN);
}

static void let_it_lapse(void) {
    worker.renewed_boot_ms = hx_boot_ms() - settings[HX_WORKER_LEASE];
}

static struct hx_pg_tx *next_renewal(void) {
    hx_timer_set(worker.renew_timer, 0);
    struct hx_pg_tx *tx = next("renew");
    tx->v[0]->yes = true;
    return tx;
}

/* Once a lease, which is four renewals. */
static void its_claims_are_compared_with_what_it_holds(void **state) {
    (void)state;
    worker_lease_start(&worker);
    for (int i = 0; i < 3; i++) {
        answer(next_renewal());
        assert_false(audit_step(&worker));
    }
    answer(next_renewal());
    assert_true(audit_step(&worker));
    commit(expect("audit"));
}

static void a_lapsed_lease_claims_nothing_until_it_is_renewed(void **state) {
    (void)state;
    worker_lease_start(&worker);
    hold(11, 11, MOCK);
    announce(1, 2, MOCK);
    let_it_lapse();
    assert_null(send());
    refuse(next_renewal(), HX_PG_UNAVAILABLE, "");
    assert_null(send());
    assert_false(run_of(11)->ended); /* what runs goes on */
    finish(11, 11);
    struct hx_pg_tx *tx = send();
    check_told(tx, "complete(11) answered(11) done(A)"); /* and is written */
    commit(tx);
    answer(next_renewal());
    tx = send();
    check_told(tx, "claim B(1 2)");
}

static void what_a_late_answer_brings_is_not_started(void **state) {
    (void)state;
    worker_lease_start(&worker);
    announce(1, 1, MOCK);
    jobs[1].payload = "{\"fail\":\"hang\"}";
    struct hx_pg_tx *tx = send();
    let_it_lapse(); /* the host slept, and the answer lay there */
    commit(tx);
    assert_true(run_of(1)->ended);
    tx = send();
    check_told(tx, "settle(1=queued) answered(1) done(A)");
    assert_int_equal(statement_of(tx, SETTLE)->outcomes[0].add_attempt, -1);
}

/* The host slept: others have counted on. */
static void a_suspension_counts(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    slept_ms += settings[HX_WORKER_LEASE] / 2;
    assert_true(worker_lease_held(&worker));
    slept_ms += settings[HX_WORKER_LEASE] / 2;
    assert_false(worker_lease_held(&worker));
    assert_null(send());
}

static void a_renewal_counts_from_when_it_was_sent(void **state) {
    (void)state;
    worker_lease_start(&worker);
    struct hx_pg_tx *tx = next_renewal();
    int64_t sent = hx_boot_ms();
    PUMP(hx_boot_ms() > sent + 2);
    answer(tx);
    assert_true(worker.renewed_boot_ms <= sent);
    tx = next_renewal();
    let_it_lapse();
    worker.renewing_boot_ms = worker.renewed_boot_ms;
    answer(tx);
    announce(1, 1, MOCK);
    assert_null(send()); /* renewed, too long ago */
}

/* From the next renewal on, so that it isn't without one in between. */
static void a_lease_can_be_shortened(void **state) {
    (void)state;
    settings[HX_WORKER_LEASE] = 3600 * 1000;
    worker_lease_start(&worker);
    worker.renewed_boot_ms = hx_boot_ms() - 1000 * 1000;
    worker_lease_shorten(&worker, 60 * 1000);
    assert_true(worker_lease_held(&worker));
    struct hx_pg_tx *tx = next("renew");
    assert_int_equal(lease_told_ms, 60 * 1000);
    tx->v[0]->yes = true;
    answer(tx);
    assert_true(worker_lease_held(&worker));
    worker.renewed_boot_ms = hx_boot_ms() - 61 * 1000;
    assert_false(worker_lease_held(&worker));
    worker_lease_shorten(&worker, 600 * 1000); /* it was promised to others */
    assert_int_equal(worker.lease_told_ms, 60 * 1000);
    worker.registered = false;
    worker_lease_shorten(&worker, 50 * 1000);
    assert_int_equal(worker.lease_ms, 50 * 1000);
}

static void a_failed_renewal_is_soon_repeated(void **state) {
    (void)state;
    settings[HX_WORKER_LEASE] = 3600 * 1000;
    worker_lease_start(&worker);
    refuse(next_renewal(), HX_PG_UNAVAILABLE, "");
    next("renew"); /* in less than the third of a lease */
}

static struct hx_pg_tx *signals(unsigned n, const char *why) {
    struct hx_pg_tx *tx = next("signals");
    struct hx_uuid id = id_of(n);
    add_row(tx->v[0], &id);
    tx->v[0]->text[0] = why;
    return tx;
}

static void a_cancellation_stops_its_run(void **state) {
    (void)state;
    announce(1, 2, MOCK);
    jobs[1].payload = jobs[2].payload = "{\"fail\":\"hang\"}";
    commit(send());
    worker_lease_start(&worker);
    answer(signals(1, "operator"));
    assert_true(run_of(1)->ended);
    assert_false(run_of(2)->ended);
    struct hx_pg_tx *tx = send();
    check_told(tx, "settle(1=canceled) answered(1)");
    assert_string_equal(statement_of(tx, SETTLE)->outcomes[0].message, "operator");
}

static void a_cancellation_of_nobody_is_answered(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    worker_lease_start(&worker);
    announce(11, 11, MOCK);
    struct hx_pg_tx *flight = send();
    answer(signals(2, "operator"));
    assert_null(find("answer")); /* a claim is on its way: it may be of that */
    refuse(flight, HX_PG_RETRY, "40001");
    worker.doubts = 1;
    answer(signals(2, "operator"));
    assert_null(find("answer")); /* or one has happened */
    worker.doubts = 0;
    answer(signals(2, "operator"));
    check_told(expect("answer"), "answered(2)");
}

static void is_over(void *user) {
    *(bool *)user = true;
}

/* However long a round takes: what was to come sooner comes before what was set later, and for half a second. */
static void cancellations_are_seen_within_half_a_second(void **state) {
    (void)state;
    bool over = false;
    hold(1, 1, MOCK);
    worker_lease_start(&worker);
    struct hx_timer *half = hx_timer_new(worker.loop, is_over, &over);
    hx_timer_set(half, 500);
    PUMP(over);
    assert_non_null(find("signals"));
    hx_timer_free(half);
}

static void an_idle_worker_asks_for_no_cancellations(void **state) {
    (void)state;
    worker_lease_start(&worker);
    hx_timer_set(worker.signal_timer, 0);
    hx_loop_once(worker.loop, 1000);
    assert_null(find("signals"));
    assert_true(hx_timer_armed(worker.signal_timer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(registers_and_starts, begin_unregistered, end),
        cmocka_unit_test_setup_teardown(another_schema_ends_it, begin_unregistered, end),
        cmocka_unit_test_setup_teardown(a_refused_configuration_of_kafka_ends_it, begin_unregistered, end),
        cmocka_unit_test_setup_teardown(an_absent_database_is_waited_for, begin_unregistered, end),
        cmocka_unit_test_setup_teardown(renews_and_says_how_much_runs, begin, end),
        cmocka_unit_test_setup_teardown(declared_dead_it_ends, begin, end),
        cmocka_unit_test_setup_teardown(its_claims_are_compared_with_what_it_holds, begin, end),
        cmocka_unit_test_setup_teardown(a_lapsed_lease_claims_nothing_until_it_is_renewed, begin, end),
        cmocka_unit_test_setup_teardown(what_a_late_answer_brings_is_not_started, begin, end),
        cmocka_unit_test_setup_teardown(a_suspension_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_renewal_counts_from_when_it_was_sent, begin, end),
        cmocka_unit_test_setup_teardown(a_lease_can_be_shortened, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_renewal_is_soon_repeated, begin, end),
        cmocka_unit_test_setup_teardown(a_cancellation_stops_its_run, begin, end),
        cmocka_unit_test_setup_teardown(a_cancellation_of_nobody_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(cancellations_are_seen_within_half_a_second, begin, end),
        cmocka_unit_test_setup_teardown(an_idle_worker_asks_for_no_cancellations, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
