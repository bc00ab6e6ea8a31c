#include "supervisor/child.h"

#include "tests/unit/supervisor/scratch.h"

#include "common/clock.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static struct hx_loop *loop;
static struct hx_config *config;
static struct launch *launch;
static struct child_host host;
static struct child child;
static struct death *dead; /* the last one */
static int starts, deaths, changes;

static void on_start(struct child *c, void *user) {
    (void)user;
    assert_ptr_equal(c, &child);
    assert_true(c->pid > 0);
    starts++;
}

static void on_change(struct child *c, void *user) {
    (void)c, (void)user;
    changes++;
}

static void on_answer(struct child *c, int64_t death, void *user) {
    (void)c, (void)death, (void)user;
}

static void on_channel_end(const struct hx_channel *channel, void *user) {
    (void)channel, (void)user;
}

static void on_death(struct child *c, struct death *d, void *user) {
    (void)user;
    assert_int_equal(c->pid, 0);
    death_free(dead);
    dead = d;
    deaths++;
}

static int open_child(void **s) {
    scratch_open(s);
    starts = deaths = changes = 0;
    assert_int_equal(hx_loop_new(&loop), 0);
    config = scratch_config(NULL);
    assert_int_equal(launch_new(config, scratch_dir, "main", "run", "json", &launch), 0);
    host = (struct child_host){ .loop = loop,
                                .launch = launch,
                                .backoff_max_ms = 20,
                                .drain_ms = 100,
                                .still_ms = 1000,
                                .on_start = on_start,
                                .on_change = on_change,
                                .on_answer = on_answer,
                                .on_channel_end = on_channel_end,
                                .on_death = on_death };
    child_init(&child, &host, &roles[ROLE_WORKER], 0);
    return 0;
}

static int close_child(void **s) {
    child_event(&child, CHILD_END);
    while (child.pid > 0)
        hx_loop_once(loop, 2000);
    child_reset(&child);
    dead = death_free(dead);
    launch_free(launch);
    hx_config_free(config);
    hx_loop_free(loop);
    return scratch_close(s);
}

static void until_deaths(int n) {
    while (deaths < n)
        assert_int_equal(hx_loop_once(loop, 5000), 0);
}

static void comes_again_and_again(void **s) {
    (void)s;
    scratch_program("heimdex-worker", "echo oops >&2; exit 3");
    child_event(&child, CHILD_START);
    until_deaths(4);
    assert_string_equal(dead->code, "EXIT_3");
    assert_string_equal(dead->why, "oops");
    assert_true(starts >= 4);
    assert_int_equal(child.restarts, starts - 1);
    assert_int_equal(changes, 0);
}

static void a_program_that_is_missing_is_tried_again(void **s) {
    (void)s;
    child_event(&child, CHILD_START);
    assert_int_equal(child.state, CHILD_PAUSED);
    hx_loop_once(loop, 2000);
    scratch_program("heimdex-worker", "exit 0");
    until_deaths(1);
    assert_true(child.restarts >= 1);
}

/* A worker that takes no notice of TERM, from now on. */
static void start_deaf(void) {
    char out[128];
    snprintf(out, sizeof(out), "%s/out", scratch_dir);
    scratch_program("heimdex-worker", "trap '' TERM; echo >out; exec sleep 1000");
    child_event(&child, CHILD_START);
    while (access(out, F_OK) < 0)
        hx_loop_once(loop, 10);
}

/* Which is no fault of what it ran. */
static void is_killed_when_it_does_not_drain(void **s) {
    (void)s;
    start_deaf();
    child_event(&child, CHILD_DRAIN);
    until_deaths(1);
    assert_string_equal(dead->code, "SIGKILL");
    assert_true(dead->cut_short && !dead->stood_still);
    assert_int_equal(child.state, CHILD_DOWN);
    assert_false(hx_timer_armed(child.restart_timer) || hx_timer_armed(child.deadline_timer));
}

static void one_that_is_ended_is_cut_short(void **s) {
    (void)s;
    scratch_program("heimdex-worker", "exec sleep 1000");
    child_event(&child, CHILD_START);
    child_event(&child, CHILD_END);
    until_deaths(1);
    assert_true(dead->cut_short && !dead->stood_still);
    child_event(&child, CHILD_START);
    child_event(&child, CHILD_STUCK); /* that it is ended, too, doesn't excuse it */
    child_event(&child, CHILD_END);
    until_deaths(2);
    assert_true(dead->stood_still && !dead->cut_short);
}

static void has_less_time_in_a_hurry(void **s) {
    (void)s;
    host.drain_ms = 3600 * 1000;
    host.hurry_ms = 20;
    scratch_program("heimdex-worker", "trap '' TERM; while :; do sleep 0.02; done");
    child_event(&child, CHILD_START);
    child_event(&child, CHILD_DRAIN);
    child_event(&child, CHILD_HURRY);
    until_deaths(1);
    assert_int_equal(child.state, CHILD_DOWN);
    /* but never more */
    host.drain_ms = 20;
    host.hurry_ms = 3600 * 1000;
    child_event(&child, CHILD_START);
    child_event(&child, CHILD_DRAIN);
    child_event(&child, CHILD_HURRY);
    until_deaths(2);
}

static void is_killed_when_its_pulse_stands_still(void **s) {
    (void)s;
    scratch_program("heimdex-worker", "exec sleep 1000");
    child_event(&child, CHILD_START);
    int64_t now = hx_mono_ms();
    child_check_pulse(&child, now + 1500); /* it has not begun: more patience */
    assert_int_equal(child.state, CHILD_STARTING);
    atomic_store(&child.evidence->pulse, 5);
    child_check_pulse(&child, now);
    child_check_pulse(&child, now + 999);
    assert_int_equal(child.state, CHILD_STARTING);
    child_forgive(&child, now + 999);
    child_check_pulse(&child, now + 1998);
    assert_int_equal(child.state, CHILD_STARTING);
    child_check_pulse(&child, now + 1999);
    assert_int_equal(child.state, CHILD_FROZEN);
    until_deaths(1);
    assert_true(dead->stood_still && !dead->cut_short);
    assert_string_equal(dead->code, "SIGKILL");
    assert_int_equal(child.state, CHILD_PAUSED);
}

static void a_restart_has_no_pause(void **s) {
    (void)s;
    scratch_program("heimdex-worker", "exec sleep 1000");
    child_event(&child, CHILD_START);
    pid_t first = child.pid;
    child_event(&child, CHILD_RESTART);
    while (child.pid == first || child.pid == 0)
        hx_loop_once(loop, 5000);
    assert_int_equal(deaths, 1);
    assert_int_equal(child.state, CHILD_STARTING);
    assert_int_equal(child.pause_ms, 0);
}

static void carries_its_row_and_its_evidence(void **s) {
    (void)s;
    scratch_program("heimdex-worker", "exec sleep 1000");
    child_event(&child, CHILD_START);
    atomic_store(&child.evidence->worker_id, 12);
    atomic_store(&child.evidence->running, 4);
    assert_int_equal(child_running(&child), 4);
    kill(child.pid, SIGSEGV);
    until_deaths(1);
    assert_int_equal(dead->worker_id, 12);
    assert_non_null(dead->evidence);
    assert_true(dead->evidence_fd >= 0);
    assert_int_equal(child_running(&child), 0);
}

/* Its replies to words on descriptor 4 can't be a line of shell: whether it reads them is all that counts here. */
static void retired_it_has_no_deadline(void **s) {
    (void)s;
    host.setup = 5;
    scratch_program("heimdex-worker", "trap '' TERM; exec sleep 1000");
    child_event(&child, CHILD_START);
    assert_int_equal(child.setup, 5);
    child_event(&child, CHILD_RETIRE);
    assert_int_equal(child.state, CHILD_RETIRING);
    assert_false(hx_timer_armed(child.deadline_timer));
    child_event(&child, CHILD_DRAIN);
    assert_true(hx_timer_armed(child.deadline_timer));
    until_deaths(1);
    assert_int_equal(child.state, CHILD_DOWN);
    assert_false(child.retired || hx_timer_armed(child.restart_timer));
}

static void a_retired_scheduler_just_ends(void **s) {
    (void)s;
    child_reset(&child);
    child_init(&child, &host, &roles[ROLE_SCHEDULER], 0);
    scratch_program("heimdex-scheduler", "exec sleep 1000");
    child_event(&child, CHILD_START);
    child_event(&child, CHILD_RETIRE);
    assert_true(hx_timer_armed(child.deadline_timer));
    until_deaths(1);
    assert_string_equal(dead->code, "SIGTERM");
    assert_int_equal(child.state, CHILD_DOWN);
}

/* Counted from the pulse itself, not from when somebody looked, which is at most half a second later. */
static void a_pulse_is_older_than_the_look(void **s) {
    (void)s;
    scratch_program("heimdex-worker", "exec sleep 1000");
    child_event(&child, CHILD_START);
    int64_t now = hx_mono_ms();
    atomic_store(&child.evidence->pulse, 5);
    atomic_store(&child.evidence->pulse_boot_ms, hx_boot_ms() - 60000);
    child_check_pulse(&child, now);
    child_check_pulse(&child, now + 499);
    assert_int_equal(child.state, CHILD_STARTING);
    child_check_pulse(&child, now + 500);
    assert_int_equal(child.state, CHILD_FROZEN);
    until_deaths(1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_again_and_again, open_child, close_child),
        cmocka_unit_test_setup_teardown(a_program_that_is_missing_is_tried_again, open_child, close_child),
        cmocka_unit_test_setup_teardown(is_killed_when_it_does_not_drain, open_child, close_child),
        cmocka_unit_test_setup_teardown(one_that_is_ended_is_cut_short, open_child, close_child),
        cmocka_unit_test_setup_teardown(has_less_time_in_a_hurry, open_child, close_child),
        cmocka_unit_test_setup_teardown(is_killed_when_its_pulse_stands_still, open_child, close_child),
        cmocka_unit_test_setup_teardown(a_pulse_is_older_than_the_look, open_child, close_child),
        cmocka_unit_test_setup_teardown(a_restart_has_no_pause, open_child, close_child),
        cmocka_unit_test_setup_teardown(carries_its_row_and_its_evidence, open_child, close_child),
        cmocka_unit_test_setup_teardown(retired_it_has_no_deadline, open_child, close_child),
        cmocka_unit_test_setup_teardown(a_retired_scheduler_just_ends, open_child, close_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
