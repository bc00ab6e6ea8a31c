/* Looks at the workers' lease counters, with a ledger that says what it is told. */
#include "tests/unit/slept.h"

#include "scheduler/death.h"
#include "scheduler/leases.h"
#include "scheduler/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { WORKER = 7, LEASE_MS = 15000, LOOK_MS = 3000 };

static struct scheduler scheduler;
static int64_t counter;
static int32_t own_lease_ms; /* 0: its row doesn't say */
static int lost;

/* ---- the ledger: one worker ---- */

int hx_pg_rows(const struct hx_pg_tx *tx, int statement) {
    (void)tx, (void)statement;
    return 1;
}

int32_t hx_pg_get_int4(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)tx, (void)statement, (void)row;
    return col == 0 ? WORKER : col == 5 ? own_lease_ms : 0;
}

bool hx_pg_is_null(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)tx, (void)statement, (void)row;
    return col == 5 && own_lease_ms == 0;
}

int64_t hx_pg_get_int8(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)tx, (void)statement, (void)row, (void)col;
    return counter;
}

const char *hx_pg_get_text(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_len) {
    (void)tx, (void)statement, (void)row, (void)col, (void)ret_len;
    return "host";
}

int hx_ledger_leases(struct hx_pg_tx *tx) {
    (void)tx;
    return 0;
}

int64_t hx_config_int(const struct hx_config *c, enum hx_key key) {
    (void)c;
    assert_int_equal(key, HX_WORKER_LEASE);
    return LEASE_MS;
}

void reaper_add(struct reaper *r, struct death *death) {
    (void)r;
    assert_int_equal(death->worker, WORKER);
    assert_string_equal(death->code, "WORKER_LOST");
    assert_true(death->no_evidence);
    death_free(death);
    lost++;
}

/* ---- tests ---- */

static int begin(void **state) {
    (void)state;
    scheduler = (struct scheduler){ .leases = leases_new() };
    counter = lost = own_lease_ms = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    leases_free(scheduler.leases);
    return 0;
}

static void look(void) {
    assert_int_equal(lost_kind.answer(&scheduler, NULL), LOOK_MS);
}

/* The time is that of a clock that goes on while the machine sleeps: so does the time of those it looks at. */
static void look_for(int64_t ms) {
    for (int64_t until = slept_ms + ms; slept_ms < until;) {
        slept_ms += LOOK_MS;
        look();
    }
}

static void who_stands_still_for_a_lease_is_lost(void **state) {
    (void)state;
    look();
    look_for(LEASE_MS);
    assert_int_equal(lost, 1);
}

static void a_lease_is_whose_row_it_is_in(void **state) {
    (void)state;
    own_lease_ms = 2 * LEASE_MS;
    look();
    look_for(2 * LEASE_MS - LOOK_MS);
    assert_int_equal(lost, 0);
    look_for(LOOK_MS);
    assert_int_equal(lost, 1);
}

static void who_moves_is_not(void **state) {
    (void)state;
    for (; counter < 10; counter++)
        look_for(LEASE_MS - LOOK_MS);
    assert_int_equal(lost, 0);
}

/* PostgreSQL was away, and nobody could renew anything: each has a whole lease from now on. */
static void an_outage_is_not_held_against_anybody(void **state) {
    (void)state;
    look();
    look_for(LEASE_MS - 2 * LOOK_MS);
    lost_kind.failed(&scheduler, &(struct hx_pg_error){ .class = HX_PG_UNAVAILABLE });
    look_for(LEASE_MS);
    assert_int_equal(lost, 0);
    look_for(LOOK_MS);
    assert_int_equal(lost, 1);
}

/* We slept ourselves; in a moment the others will have renewed. */
static void a_suspension_is_not_held_against_anybody(void **state) {
    (void)state;
    look();
    slept_ms += LEASE_MS;
    look();
    assert_int_equal(lost, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_stands_still_for_a_lease_is_lost, begin, end),
        cmocka_unit_test_setup_teardown(a_lease_is_whose_row_it_is_in, begin, end),
        cmocka_unit_test_setup_teardown(who_moves_is_not, begin, end),
        cmocka_unit_test_setup_teardown(an_outage_is_not_held_against_anybody, begin, end),
        cmocka_unit_test_setup_teardown(a_suspension_is_not_held_against_anybody, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
