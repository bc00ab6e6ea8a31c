/* Due rows straight from PostgreSQL. */
#include "tests/unit/worker/fixture.h"

static struct hx_pg_tx *taking(void) {
    PUMP(find("take"));
    return expect("take");
}

static struct hx_pg_tx *start(void) {
    worker_take_start(&worker);
    return taking();
}

static void put_row(struct hx_pg_tx *tx, int statement, unsigned n, const char *type) {
    struct hx_uuid id = id_of(n);
    add_job(n, type);
    add_row(tx->v[statement], &id);
}

static void both_bands_become_candidates(void **state) {
    (void)state;
    struct hx_pg_tx *tx = start();
    check_told(tx, "take take");
    assert_true(tx->v[0]->high);
    assert_false(tx->v[1]->high);
    assert_int_equal(tx->v[0]->number, 8); /* idle: as much as a claim takes */
    assert_ptr_equal(tx->pg, worker.side);
    put_row(tx, 0, 9, MOCK);
    put_row(tx, 1, 1, MOCK);
    put_row(tx, 1, 2, SHELL);
    put_row(tx, 1, 3, "of another host");
    answer(tx);
    assert_int_equal(backlog_builtin(worker.backlog), 2);
    assert_int_equal(backlog_slotted(worker.backlog), 1);
    struct batch batch = { .v = hx_allocn(4, sizeof *batch.v) };
    backlog_pick(worker.backlog, 1, 0, &batch);
    assert_true(number_of(&batch.v[0].id) == 9 && batch.v[0].high);
    free(batch.v);
}

static void an_idle_worker_looks_again(void **state) {
    (void)state;
    answer(start());
    answer(taking());
    assert_true(hx_timer_armed(worker.take_timer));
}

static void a_busy_one_takes_a_share(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    assert_int_equal(start()->v[0]->number, 2);
}

static void one_with_enough_takes_nothing(void **state) {
    (void)state;
    announce(1, 9, MOCK);
    worker_take_start(&worker);
    hx_loop_once(worker.loop, 1000);
    assert_null(find("take"));
    assert_true(hx_timer_armed(worker.take_timer));
}

/* Nothing else wakes it: a worker that stopped looking here would never look again. */
static void a_doubt_only_delays_it(void **state) {
    (void)state;
    worker.doubts = 1;
    worker_take_start(&worker);
    hx_loop_once(worker.loop, 1000);
    assert_null(find("take"));
    assert_true(hx_timer_armed(worker.take_timer));
    worker.doubts = 0;
    taking();
}

static void a_failure_is_tried_again(void **state) {
    (void)state;
    refuse(start(), HX_PG_UNAVAILABLE, "");
    assert_false(worker.take_busy);
    assert_true(hx_timer_armed(worker.take_timer));
}

static void soon_is_at_once(void **state) {
    (void)state;
    announce(1, 1, MOCK);
    answer(start());
    worker_take_soon(&worker);
    taking();
    worker_take_soon(&worker); /* one is on its way */
    assert_false(hx_timer_armed(worker.take_timer));
}

static void a_draining_worker_takes_nothing(void **state) {
    (void)state;
    struct hx_pg_tx *tx = start();
    put_row(tx, 1, 1, MOCK);
    worker_drain(&worker);
    answer(tx);
    assert_int_equal(backlog_builtin(worker.backlog), 0);
    assert_false(hx_timer_armed(worker.take_timer));
    worker_take_soon(&worker);
    assert_false(hx_timer_armed(worker.take_timer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_bands_become_candidates, begin, end),
        cmocka_unit_test_setup_teardown(an_idle_worker_looks_again, begin, end),
        cmocka_unit_test_setup_teardown(a_busy_one_takes_a_share, begin, end),
        cmocka_unit_test_setup_teardown(one_with_enough_takes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_doubt_only_delays_it, begin, end),
        cmocka_unit_test_setup_teardown(a_failure_is_tried_again, begin, end),
        cmocka_unit_test_setup_teardown(soon_is_at_once, begin, end),
        cmocka_unit_test_setup_teardown(a_draining_worker_takes_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
