/* One job of ours, from its claim to its committed outcome: counters, evidence, the order of ends. */
#include "tests/unit/worker/fixture.h"

static void evidence_is_written_before_the_start(void **state) {
    (void)state;
    shell_argv[2] = "sleep 60";
    claim_all(1, 1, SHELL);
    struct run *run = run_of(1);
    assert_non_null(run->evidence);
    assert_int_equal(run->evidence->state, HX_EVIDENCE_STARTED);
    assert_true(hx_uuid_eq(&run->evidence->job_id, &run->id));
    assert_int_equal(run->evidence->fence, 1);
    assert_true(run->evidence->pgid > 1);
    assert_true(hx_timer_armed(run->timer));
    assert_int_equal(worker.slots_running, 1);
}

static void evidence_of_a_builtin_has_no_group(void **state) {
    (void)state;
    claim_all(1, 1, MOCK);
    struct hx_evidence_entry *entry = run_of(1)->evidence;
    assert_int_equal(entry->state, HX_EVIDENCE_ENDED);
    assert_int_equal(entry->pgid, 0);
    assert_int_equal(worker.builtin_running, 0);
    commit(send());
    assert_int_equal(entry->state, HX_EVIDENCE_FREE);
}

/* The supervisor can't be told of it, so it isn't started. */
static void without_room_for_evidence_it_is_released(void **state) {
    (void)state;
    for (size_t i = 0; i < HX_EVIDENCE_ENTRIES; i++)
        worker.evidence->entries[i].state = HX_EVIDENCE_STARTED;
    shell_argv[2] = "exit 3";
    claim_all(1, 2, SHELL);
    assert_null(run_of(1)->exec);
    assert_int_equal(worker.slots_running, 0);
    commit(send());
    assert_int_equal(jobs[1].status, HX_QUEUED);
    assert_int_equal(jobs[1].attempt, 0);
}

static void ends_are_queued_in_their_order(void **state) {
    (void)state;
    hold(1, 4, MOCK);
    finish(3, 3);
    finish(1, 1);
    finish(4, 4);
    check_ended("3 1 4");
    assert_int_equal(worker.builtin_running, 1);
}

static void runs_are_found_and_forgotten(void **state) {
    (void)state;
    hold(1, 3, MOCK);
    assert_int_equal(worker.run_count, 3);
    run_free(run_of(2));
    assert_null(run_of(2));
    run_free(run_of(3));
    run_free(run_of(1));
    assert_null(worker.runs);
    assert_int_equal(worker.run_count, 0);
    assert_int_equal(worker.spent_count, 1); /* nobody deleted the claim's row */
}

static void a_jobs_own_timeout_beats_the_handlers(void **state) {
    (void)state;
    announce(1, 2, MOCK);
    jobs[1].payload = jobs[2].payload = "{\"fail\":\"hang\"}";
    jobs[1].timeout_ms = 1;
    commit(send());
    assert_int_equal(run_of(1)->timeout_ms, 1);
    assert_int_equal(run_of(2)->timeout_ms, 60000);
    PUMP(run_of(1)->ended);
    assert_string_equal(run_of(1)->outcome.code, "timeout");
    assert_false(run_of(2)->ended);
}

static void the_first_reason_to_stop_counts(void **state) {
    (void)state;
    settings[HX_JOBS_KILL_GRACE] = 60000;
    shell_argv[2] = "trap '' TERM; while :; do sleep 60; done";
    claim_all(1, 1, SHELL);
    struct run *run = run_of(1);
    run_stop(run, STOP_TIMEOUT, "timeout");
    run_stop(run, STOP_DRAIN, "drain");
    assert_int_equal(run->stop, STOP_TIMEOUT);
    assert_string_equal(run->stop_why, "timeout");
}

/* Its request is deleted with the end, so it may not be passed over: the job would run again. */
static void a_cancellation_counts_while_it_is_being_stopped(void **state) {
    (void)state;
    shell_argv[2] = "exec sleep 60";
    claim_all(1, 1, SHELL);
    struct run *run = run_of(1);
    run_stop(run, STOP_TIMEOUT, "timeout");
    run_stop(run, STOP_CANCEL, "operator");
    run_stop(run, STOP_CANCEL, "again");
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    assert_int_equal(run->outcome.status, HX_CANCELED);
    assert_string_equal(run->outcome.message, "operator");
    run_stop(run, STOP_CANCEL, "too late");
    assert_string_equal(run->stop_why, "operator");
}

static void the_log_knows_the_job(void **state) {
    (void)state;
    hold(1, 1, MOCK);
    const struct hx_log_ctx *ctx = run_ctx(run_of(1));
    assert_string_equal(ctx->job_id, "01890000-0000-7000-8000-000000000001");
    assert_string_equal(ctx->job_type, MOCK);
    assert_string_equal(ctx->worker, "host/main/0");
    assert_int_equal(ctx->fence, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(evidence_is_written_before_the_start, begin, end),
        cmocka_unit_test_setup_teardown(evidence_of_a_builtin_has_no_group, begin, end),
        cmocka_unit_test_setup_teardown(without_room_for_evidence_it_is_released, begin, end),
        cmocka_unit_test_setup_teardown(ends_are_queued_in_their_order, begin, end),
        cmocka_unit_test_setup_teardown(runs_are_found_and_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(a_jobs_own_timeout_beats_the_handlers, begin, end),
        cmocka_unit_test_setup_teardown(the_first_reason_to_stop_counts, begin, end),
        cmocka_unit_test_setup_teardown(a_cancellation_counts_while_it_is_being_stopped, begin, end),
        cmocka_unit_test_setup_teardown(the_log_knows_the_job, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
