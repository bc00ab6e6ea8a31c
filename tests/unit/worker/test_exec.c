/* Programs: what they get, what they say, how they end. Real children of /bin/sh. */
#include "tests/unit/worker/fixture.h"

#include "common/process.h"
#include "lib/json/json.h"
#include "worker/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static unsigned next_job;
static const char *next_payload;
static int64_t next_timeout = INT64_MIN;
static int32_t next_max_attempts = INT32_MIN;

static struct run *start(const char *script) {
    shell_argv[2] = script;
    next_job++;
    announce(next_job, next_job, SHELL);
    if (next_payload)
        jobs[next_job].payload = next_payload;
    jobs[next_job].timeout_ms = next_timeout;
    jobs[next_job].max_attempts = next_max_attempts;
    next_payload = NULL;
    next_timeout = INT64_MIN;
    next_max_attempts = INT32_MIN;
    commit(send());
    assert_non_null(run_of(next_job));
    return run_of(next_job);
}

static struct run *go(const char *script) {
    struct run *run = start(script);
    PUMP(run->ended);
    assert_int_equal(run->evidence->state, HX_EVIDENCE_ENDED);
    return run;
}

static void check(const struct run *run, enum hx_status status, const char *code) {
    assert_string_equal(hx_status_name(run->outcome.status), hx_status_name(status));
    if (code)
        assert_string_equal(run->outcome.code, code);
    else
        assert_null(run->outcome.code);
}

static json_t *detail_of(const struct run *run) {
    struct hx_json_error error;
    json_t *parsed = NULL;
    assert_int_equal(hx_json_parse(run->outcome.detail, strlen(run->outcome.detail), &parsed, &error), 0);
    return parsed;
}

static json_int_t number_in(const struct run *run, const char *key) {
    _cleanup_json_ json_t *detail = detail_of(run);
    const json_t *v = json_object_get(detail, key);
    return v ? json_integer_value(v) : -1;
}

static void check_result(const struct run *run, const char *expected) {
    _cleanup_json_ json_t *detail = detail_of(run);
    const json_t *result = json_object_get(detail, "result");
    _cleanup_free_ char *text = result ? hx_json_dump(result) : NULL;
    assert_string_equal(text ? text : "none", expected);
}

static void exit_codes(void **state) {
    (void)state;
    static const int codes[] = { 1, 2, 63, 64, 65, 66, 67, 68, 69, 70, 71, 75, 76, 77, 78, 79, 127, 255 };
    for (size_t i = 0; i < HX_ARRAY_LEN(codes); i++) {
        int c = codes[i];
        bool permanent = (c >= 64 && c <= 67) || c == 70 || (c >= 76 && c <= 78);
        char script[16], code[16];
        snprintf(script, sizeof script, "exit %d", c);
        snprintf(code, sizeof code, "exit_%d", c);
        struct run *run = go(script);
        check(run, permanent ? HX_DEAD_LETTER : HX_FAILED, code);
        assert_int_equal(number_in(run, "exit_code"), c);
    }
    check(go("exit 0"), HX_SUCCEEDED, NULL);
}

static void attempts_used_up(void **state) {
    (void)state;
    next_max_attempts = 1;
    check(go("exit 1"), HX_DEAD_LETTER, "exit_1");
}

static void signals(void **state) {
    (void)state;
    struct run *run = go("kill -SEGV $$");
    check(run, HX_FAILED, "SIGSEGV");
    assert_int_equal(number_in(run, "signal"), SIGSEGV);
    check(go("kill -KILL $$"), HX_FAILED, "SIGKILL");
    /* dead, it said nothing that counts but why it failed */
    check(go("echo '{\"snooze\":\"5m\"}'; kill -KILL $$"), HX_FAILED, "SIGKILL");
    check(go("echo '{\"cancel\":\"no\"}'; kill -KILL $$"), HX_FAILED, "SIGKILL");
    check(go("echo '{\"result\":1}'; kill -KILL $$"), HX_FAILED, "SIGKILL");
    check(go("echo '{\"error\":{\"code\":\"mine\",\"retry\":false}}'; kill -KILL $$"), HX_DEAD_LETTER, "mine");
}

static void gets_payload_and_environment(void **state) {
    (void)state;
    next_payload = "{\"result\":{\"n\":1}}";
    check_result(go("cat"), "{\"n\":1}");
    check_result(go("echo \"{\\\"result\\\":\\\"$HEIMDEX_JOB_TYPE $HEIMDEX_ATTEMPT $HEIMDEX_FENCE\\\"}\""),
                 "\"sh 1 1\"");
}

static void the_last_result_counts(void **state) {
    (void)state;
    check_result(go("echo '{\"result\":1}'; echo text; printf '{\"result\":2}'"), "2");
    check_result(go("echo text"), "none");
}

static void errors_of_its_own(void **state) {
    (void)state;
    struct run *run =
        go("echo '{\"error\":{\"code\":\"busy\",\"message\":\"later\",\"retry_after\":\"30s\"}}'; exit 1");
    check(run, HX_FAILED, "busy");
    assert_string_equal(run->outcome.message, "later");
    assert_int_equal(run->outcome.delay_ms, 30000);
    check(go("echo '{\"error\":{\"retry\":false}}'; exit 1"), HX_DEAD_LETTER, "exit_1");
    check(go("echo '{\"error\":{\"retry\":true}}'; exit 64"), HX_FAILED, "exit_64");
    /* exit 0 doesn't make it a success, nor does a result */
    check(go("echo '{\"error\":\"text\"}'"), HX_FAILED, "error");
    check(go("echo '{\"error\":{\"code\":\"a\"}}'; echo '{\"result\":1}'"), HX_FAILED, "a");
}

static void snooze_and_cancel(void **state) {
    (void)state;
    struct run *run = go("echo '{\"snooze\":\"5m\"}'");
    check(run, HX_QUEUED, NULL);
    assert_int_equal(run->outcome.delay_ms, 300000);
    assert_string_equal(run->outcome.reason, "snoozed");
    assert_int_equal(run->outcome.add_max_attempts, 1);
    run = go("echo '{\"cancel\":\"not wanted\"}'; exit 3");
    check(run, HX_CANCELED, "canceled");
    assert_string_equal(run->outcome.message, "not wanted");
    check(go("echo '{\"snooze\":\"5m\"}'; echo '{\"result\":1}'"), HX_QUEUED, NULL);
    check(go("echo '{\"cancel\":\"x\"}'; echo '{\"snooze\":\"5m\"}'"), HX_CANCELED, "canceled");
    check(go("echo '{\"snooze\":\"5m\"}'; echo '{\"error\":\"x\"}'; exit 1"), HX_QUEUED, NULL);
}

static void a_bad_message_fails_for_good(void **state) {
    (void)state;
    check(go("echo '{\"result\":\"\\u0000\"}'"), HX_DEAD_LETTER, "bad_message");
    check(go("echo '{\"result\":\"\\u0000\"}'; echo '{\"cancel\":\"x\"}'"), HX_DEAD_LETTER, "bad_message");
    struct run *run = go("printf '{\"result\":\"'; head -c 1100000 /dev/zero | tr '\\0' x; echo '\"}'");
    check(run, HX_DEAD_LETTER, "bad_message");
    assert_string_equal(run->outcome.message, "message: longer than 1 MiB");
    check_result(go("printf '{\"result\":\"'; head -c 1000000 /dev/zero | tr '\\0' x | head -c 3; echo '\"}'"),
                 "\"xxx\"");
}

static void a_flood_of_stages_is_bounded(void **state) {
    (void)state;
    struct run *run = go("i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); echo '{\"stage\":\"'$i'\"}'; done");
    check(run, HX_SUCCEEDED, NULL);
    assert_int_equal(run->message_count, 1001);
    assert_string_equal(run->messages[1000], "{\"attempt\":1,\"stage\":\"3000\"}");
}

static void stages_are_told(void **state) {
    (void)state;
    struct run *run = go("echo '{\"stage\":\"a\",\"progress\":5}'; echo '{\"progress\":6.9}'; echo '{\"progress\":7}'");
    check(run, HX_SUCCEEDED, NULL);
    assert_int_equal(run->message_count, 2);
    assert_string_equal(run->messages[0], "{\"attempt\":1,\"stage\":\"a\",\"progress\":5}");
    assert_string_equal(run->messages[1], "{\"attempt\":1,\"progress\":7}");
}

static void check_truncated(const struct run *run, bool expected) {
    _cleanup_json_ json_t *detail = detail_of(run);
    assert_int_equal(json_is_true(json_object_get(detail, "output_truncated")), expected);
}

static void output_is_capped(void **state) {
    (void)state;
    struct run *run = go("head -c 300000 /dev/zero | tr '\\0' x | fold -w 1000; echo; echo '{\"result\":1}'");
    check(run, HX_SUCCEEDED, NULL);
    check_result(run, "1"); /* messages are read all the same */
    check_truncated(run, true);
    check_truncated(go("head -c 300000 /dev/zero | tr '\\0' x | fold -w 1000 >&2; exit 1"), true);
    check_truncated(go("head -c 300000 /dev/zero | tr '\\0' x | fold -w 1000; echo; echo '{\"snooze\":\"5m\"}'"), true);
    check_truncated(go("head -c 200000 /dev/zero | tr '\\0' x | fold -w 1000; exit 1"), false);
    check_truncated(go("head -c 200000 /dev/zero | tr '\\0' x | fold -w 1000"), false);
}

static int64_t limit_memory(int64_t max) {
    struct handler *handler = (struct handler *)(uintptr_t)handler_of(SHELL);
    int64_t before = handler->memory_max;
    handler->memory_max = max;
    return before;
}

/* The kernel counts our own memory as a child's until its exec: a small program has no size of its own that anybody knows. */
static void its_size_is_not_ours(void **state) {
    (void)state;
    struct rusage own;
    const struct run *small = go("exit 0");
    assert_true(number_in(small, "cpu_ms") >= 0);
    assert_int_equal(number_in(small, "max_rss_kb"), -1);
    getrusage(RUSAGE_SELF, &own);
    _cleanup_free_ char *script = hx_printf("x=$(head -c %ld /dev/zero | tr '\\0' x)", (own.ru_maxrss + 32768) * 1024);
    assert_true(number_in(go(script), "max_rss_kb") > own.ru_maxrss + 32768);
    int64_t before = limit_memory(INT64_C(64) << 30);
    const struct run *failed = go("exit 1");
    assert_non_null(strstr(failed->outcome.message, "the handler exited with 1 (memory_max 64G, at most "));
    _cleanup_free_ char *failing = hx_printf("%s; exit 1", script);
    failed = go(failing);
    assert_non_null(strstr(failed->outcome.message, "(memory_max 64G, "));
    assert_null(strstr(failed->outcome.message, "at most"));
    limit_memory(before);
}

static void a_timeout_terminates(void **state) {
    (void)state;
    settings[HX_JOBS_KILL_GRACE] = 60000;
    next_timeout = 1;
    struct run *run = go("exec sleep 60");
    check(run, HX_FAILED, "timeout");
    assert_int_equal(number_in(run, "signal"), SIGTERM);
}

/* Runs until it has said something: then its traps are set. */
static struct run *start_ready(const char *script) {
    struct run *run = start(script);
    PUMP(run->message_count);
    return run;
}

#define READY "echo '{\"stage\":\"ready\"}'; "
#define WAIT "while :; do sleep 60 & wait $!; done"

static void after_the_grace_it_is_killed(void **state) {
    (void)state;
    settings[HX_JOBS_KILL_GRACE] = 20;
    struct run *run = start_ready("trap '' TERM; " READY WAIT);
    int64_t from = hx_mono_ms();
    run_stop(run, STOP_TIMEOUT, "timeout");
    PUMP(run->ended);
    assert_true(hx_mono_ms() - from >= 20);
    check(run, HX_FAILED, "timeout");
    assert_int_equal(number_in(run, "signal"), SIGKILL);
}

/* The request changes what the end means, and gives no more time for it. */
static void a_cancellation_during_the_grace_does_not_prolong_it(void **state) {
    (void)state;
    settings[HX_JOBS_KILL_GRACE] = 20;
    struct run *run = start_ready("trap '' TERM; " READY WAIT);
    run_stop(run, STOP_TIMEOUT, "timeout");
    settings[HX_JOBS_KILL_GRACE] = 3600 * 1000;
    run_stop(run, STOP_CANCEL, "operator");
    PUMP(run->ended);
    check(run, HX_CANCELED, "canceled");
}

/* The fleet's reason beats what the handler says. */
static void a_timeout_beats_its_messages(void **state) {
    (void)state;
    struct run *run = start_ready("trap 'echo \"{\\\"result\\\":1}\"; exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_TIMEOUT, "timeout");
    PUMP(run->ended);
    check(run, HX_FAILED, "timeout");
    assert_int_equal(number_in(run, "exit_code"), 0);
}

static void canceled_is_canceled_however_it_ends(void **state) {
    (void)state;
    struct run *run = start_ready("trap 'echo \"{\\\"result\\\":1}\"; exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_CANCEL, "operator");
    PUMP(run->ended);
    check(run, HX_CANCELED, "canceled");
    assert_string_equal(run->outcome.message, "operator");
}

static void drained_it_may_still_succeed(void **state) {
    (void)state;
    struct run *run = start_ready("trap 'echo \"{\\\"result\\\":1}\"; exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    check(run, HX_SUCCEEDED, NULL);
    run = start_ready("trap 'exit 0' TERM; " READY WAIT);
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    check(run, HX_QUEUED, NULL); /* an exit 0 at TERM is rarely the work done */
    assert_int_equal(run->outcome.add_max_attempts, 1);
    run = start_ready(READY "exec sleep 60");
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    check(run, HX_QUEUED, NULL);
}

static void its_group_ends_with_it(void **state) {
    (void)state;
    struct run *run = start("sleep 60 & sleep 60 & exit 0");
    pid_t group = run->evidence->pgid;
    assert_true(group > 1);
    PUMP(run->ended);
    check(run, HX_SUCCEEDED, NULL);
    PUMP(!hx_group_alive(group));
}

/* As at the end of the worker. */
static void a_run_that_is_forgotten_is_killed(void **state) {
    (void)state;
    struct run *run = start("sleep 60 & exec sleep 60");
    pid_t group = run->evidence->pgid;
    assert_true(hx_group_alive(group));
    run_free(run);
    while (waitpid(-group, NULL, 0) > 0) /* not by the loop, which would tell the run */
        ;
    assert_false(hx_group_alive(group));
}

/* A program that is being replaced. */
static void a_program_that_cannot_be_started_is_tried_again(void **state) {
    (void)state;
    char half[] = "/tmp/hx-handler-XXXXXX", open_for_writing[] = "/tmp/hx-handler-XXXXXX";
    int half_fd = mkstemp(half), busy_fd = mkstemp(open_for_writing);
    assert_true(half_fd >= 0 && busy_fd >= 0);
    assert_int_equal(write(half_fd,
                           "\x7f"
                           "EL",
                           3),
                     3);
    assert_int_equal(write(busy_fd, "#!/bin/sh\n", 10), 10);
    assert_int_equal(fchmod(half_fd, 0755) | fchmod(busy_fd, 0755), 0);
    close(half_fd);
    const struct {
        const char *program, *why;
    } cases[] = {
        { "/nonexistent/program", "No such file or directory" },
        { "/etc/passwd", "Permission denied" },
        { half, "Exec format error" },
        { open_for_writing, "Text file busy" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        shell_argv[0] = cases[i].program;
        struct run *run = go("");
        check(run, HX_FAILED, "spawn");
        assert_string_equal(run->outcome.reason, "retry");
        _cleanup_free_ char *message = hx_printf("%s: %s", cases[i].program, cases[i].why);
        assert_string_equal(run->outcome.message, message);
        assert_int_equal(run->evidence->pgid, 0);
        assert_int_equal(worker.slots_running, 0);
    }
    next_max_attempts = 1;
    check(go(""), HX_DEAD_LETTER, "spawn");
    close(busy_fd);
    unlink(half);
    unlink(open_for_writing);
}

static void a_shortage_passes(void **state) {
    (void)state;
    next_job++;
    announce(next_job, next_job, SHELL);
    struct hx_pg_tx *tx = send();
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    commit(tx);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    struct run *run = run_of(next_job);
    assert_true(run->ended);
    check(run, HX_FAILED, "spawn");
    assert_string_equal(run->outcome.reason, "retry");
}

static int begin_exec(void **state) {
    next_job = 0;
    return begin(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_exec, end)

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        TEST(exit_codes),
        TEST(attempts_used_up),
        TEST(signals),
        TEST(gets_payload_and_environment),
        TEST(the_last_result_counts),
        TEST(errors_of_its_own),
        TEST(snooze_and_cancel),
        TEST(a_bad_message_fails_for_good),
        TEST(a_flood_of_stages_is_bounded),
        TEST(stages_are_told),
        TEST(output_is_capped),
        TEST(its_size_is_not_ours),
        TEST(a_timeout_terminates),
        TEST(after_the_grace_it_is_killed),
        TEST(a_cancellation_during_the_grace_does_not_prolong_it),
        TEST(a_timeout_beats_its_messages),
        TEST(canceled_is_canceled_however_it_ends),
        TEST(drained_it_may_still_succeed),
        TEST(its_group_ends_with_it),
        TEST(a_run_that_is_forgotten_is_killed),
        TEST(a_program_that_cannot_be_started_is_tried_again),
        TEST(a_shortage_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
