/* Slots and who stands in them. No process is started: supervisor/child.c has tests of its own. */
#include "supervisor/fleet.h"

#include "tests/unit/supervisor/scratch.h"

static struct hx_loop *loop;
static struct child_host host, other;
static struct fleet fleet;

static int open_fleet(void **s) {
    (void)s;
    assert_int_equal(hx_loop_new(&loop), 0);
    host = other = (struct child_host){ .loop = loop };
    struct hx_config *config = scratch_config(
        (const char *const[]){ "HEIMDEX_SUPERVISOR_WORKERS", "3", "HEIMDEX_SUPERVISOR_SCHEDULERS", "2", NULL });
    fleet_init(&fleet, &host, config);
    assert_int_equal(fleet_wanted(&roles[ROLE_WORKER], config), 3);
    hx_config_free(config);
    return 0;
}

static int close_fleet(void **s) {
    (void)s;
    fleet_reset(&fleet);
    hx_loop_free(loop);
    return 0;
}

static struct child *at(enum role_id role, int slot, enum child_place place) {
    return fleet_find(&fleet, &roles[role], slot, place);
}

static void one_child_for_each_slot(void **s) {
    (void)s;
    assert_int_equal(fleet.count, 5);
    for (int slot = 0; slot < 3; slot++)
        assert_int_equal(at(ROLE_WORKER, slot, CHILD_IN_PLACE)->slot, slot);
    assert_ptr_equal(at(ROLE_SCHEDULER, 1, CHILD_IN_PLACE)->role, &roles[ROLE_SCHEDULER]);
    assert_null(at(ROLE_SCHEDULER, 2, CHILD_IN_PLACE));
    assert_null(at(ROLE_WORKER, 0, CHILD_COMING));
}

static void a_coming_child_takes_over(void **s) {
    (void)s;
    struct child *old = at(ROLE_WORKER, 1, CHILD_IN_PLACE);
    struct child *coming = fleet_add(&fleet, &other, &roles[ROLE_WORKER], 1, CHILD_COMING);
    for (int i = 0; i < 20; i++) /* there is always room, and nobody moves */
        fleet_add(&fleet, &other, &roles[ROLE_WORKER], 10 + i, CHILD_COMING);
    assert_ptr_equal(at(ROLE_WORKER, 1, CHILD_COMING), coming);
    assert_ptr_equal(at(ROLE_WORKER, 1, CHILD_IN_PLACE), old);
    fleet_take_over(&fleet, coming);
    assert_ptr_equal(at(ROLE_WORKER, 1, CHILD_IN_PLACE), coming);
    assert_ptr_equal(at(ROLE_WORKER, 1, CHILD_LEAVING), old);
    fleet_take_over(&fleet, at(ROLE_WORKER, 10, CHILD_COMING)); /* where there was none */
    assert_non_null(at(ROLE_WORKER, 10, CHILD_IN_PLACE));
    fleet_rehost(&fleet, &other);
    assert_ptr_equal(old->host, &other);
    assert_ptr_equal(at(ROLE_SCHEDULER, 0, CHILD_IN_PLACE)->host, &other);
}

static void who_has_left_is_buried(void **s) {
    (void)s;
    struct child *gone = at(ROLE_WORKER, 0, CHILD_IN_PLACE), *alive = at(ROLE_WORKER, 2, CHILD_IN_PLACE);
    fleet_retire(gone);
    alive->state = CHILD_RETIRING; /* it has a process still */
    fleet_retire(alive);
    fleet_bury(&fleet);
    assert_int_equal(fleet.count, 4);
    assert_null(at(ROLE_WORKER, 0, CHILD_LEAVING));
    assert_ptr_equal(at(ROLE_WORKER, 2, CHILD_LEAVING), alive);
    assert_int_equal(at(ROLE_WORKER, 1, CHILD_IN_PLACE)->state, CHILD_DOWN); /* down, and in place: it stays */
    alive->state = CHILD_DOWN;
    fleet_bury(&fleet);
    assert_int_equal(fleet.count, 3);
}

static void only_those_in_place_count(void **s) {
    (void)s;
    struct status_view v = { 0 };
    struct child *coming = fleet_add(&fleet, &host, &roles[ROLE_WORKER], 0, CHILD_COMING);
    struct child *leaving = at(ROLE_WORKER, 1, CHILD_IN_PLACE), *works = at(ROLE_WORKER, 2, CHILD_IN_PLACE);
    coming->state = works->state = CHILD_READY;
    leaving->state = CHILD_RETIRING;
    leaving->pid = coming->pid = works->pid = 1; /* never signalled here */
    fleet_retire(leaving);
    fleet_view(&fleet, &v);
    assert_int_equal(v.workers, 2);
    assert_int_equal(v.workers_working, 1);
    assert_int_equal(v.workers_leaving, 1);
    assert_int_equal(v.workers_alive, 3);
    assert_int_equal(v.schedulers, 2);
    _cleanup_json_ json_t *before = fleet_json(&fleet);
    assert_int_equal(json_array_size(before), 6);
    leaving->pid = coming->pid = works->pid = 0;
    leaving->state = CHILD_DOWN;
    _cleanup_json_ json_t *after = fleet_json(&fleet); /* until it is buried, too */
    assert_int_equal(json_array_size(after), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_child_for_each_slot, open_fleet, close_fleet),
        cmocka_unit_test_setup_teardown(a_coming_child_takes_over, open_fleet, close_fleet),
        cmocka_unit_test_setup_teardown(who_has_left_is_buried, open_fleet, close_fleet),
        cmocka_unit_test_setup_teardown(only_those_in_place_count, open_fleet, close_fleet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
