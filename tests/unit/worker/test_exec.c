/* Programs: what they get, what they say, how they are ended. */
#include "tests/unit/worker/programs.h"

#include "common/process.h"
#include "worker/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void gets_payload_and_environment(void **state) {
    (void)state;
    next_payload = "{\"result\":{\"n\":1}}";
    check_result(go("cat"), "{\"n\":1}");
    check_result(go("echo \"{\\\"result\\\":\\\"$HEIMDEX_JOB_TYPE $HEIMDEX_ATTEMPT $HEIMDEX_FENCE\\\"}\""),
                 "\"sh 1 1\"");
}

/* Nothing outlives a worker that is killed, gains rights, or dumps what may be secrets. */
static void is_tied_to_its_worker_and_bounded(void **state) {
    (void)state;
    char script[256], said[8192] = "";
    struct rlimit ours;
    int fd = memfd_create("said", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &ours), 0);
    assert_int_equal(setrlimit(RLIMIT_CORE, &(struct rlimit){ ours.rlim_max, ours.rlim_max }), 0);
    snprintf(script, sizeof script, "exec >/proc/%d/fd/%d; echo core $(ulimit -c); exec setpriv --dump", (int)getpid(),
             fd);
    check(go(script), HX_SUCCEEDED, NULL);
    assert_int_equal(setrlimit(RLIMIT_CORE, &ours), 0);
    assert_true(pread(fd, said, sizeof said - 1, 0) > 0);
    assert_non_null(strstr(said, "core 0\n"));
    assert_non_null(strstr(said, "no_new_privs: 1\n"));
    assert_non_null(strstr(said, "Parent death signal: KILL\n"));
    close(fd);
}

static void the_last_result_counts(void **state) {
    (void)state;
    check_result(go("echo '{\"result\":1}'; echo text; printf '{\"result\":2}'"), "2");
    check_result(go("echo text"), "none");
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

static void a_timeout_terminates(void **state) {
    (void)state;
    settings[HX_JOBS_KILL_GRACE] = 60000;
    next_timeout = 1;
    struct run *run = go("exec sleep 60");
    check(run, HX_FAILED, "timeout");
    assert_int_equal(number_in(run, "signal"), SIGTERM);
}

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

/* A shell that waits for what does the work: both are told, and the shell's end is that of the other. */
static void its_whole_group_is_asked_to_end(void **state) {
    (void)state;
    struct run *run = start_ready("trap : TERM; (trap 'echo {\\\"result\\\":\\\"heard\\\"}; exit' TERM; " READY WAIT
                                  ") & wait; wait");
    run_stop(run, STOP_DRAIN, "drain");
    PUMP(run->ended);
    check(run, HX_SUCCEEDED, NULL);
    check_result(run, "\"heard\"");
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

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        TEST(gets_payload_and_environment),
        TEST(is_tied_to_its_worker_and_bounded),
        TEST(the_last_result_counts),
        TEST(a_flood_of_stages_is_bounded),
        TEST(stages_are_told),
        TEST(output_is_capped),
        TEST(a_timeout_terminates),
        TEST(after_the_grace_it_is_killed),
        TEST(a_cancellation_during_the_grace_does_not_prolong_it),
        TEST(its_whole_group_is_asked_to_end),
        TEST(its_group_ends_with_it),
        TEST(a_run_that_is_forgotten_is_killed),
        TEST(a_program_that_cannot_be_started_is_tried_again),
        TEST(a_shortage_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
