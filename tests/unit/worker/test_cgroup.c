/* Runs in control groups of their own: what ends with them, and which limits hold. */
#include "tests/unit/worker/fixture.h"

#include "lib/json/json.h"
#include "tests/unit/common/cgroup_here.h"
#include "worker/cgroup.h"
#include "worker/exec.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static unsigned controllers; /* that groups of runs have */

/* The worker's own group, without this process in it. */
static int begin_in_cgroup(void **state) {
    int group = -1;
    if (begin(state) < 0 || cgroup_open(state) < 0)
        return -1;
    if (cgroup_fd < 0)
        return 0;
    controllers = hx_cgroup_hand_on(cgroup_fd);
    if (hx_cgroup_make(cgroup_fd, "worker-1", &group) < 0)
        return -1;
    hx_cgroup_hand_on(group);
    cgroups_start(&worker, group);
    return 0;
}

static int end_in_cgroup(void **state) {
    while (worker.runs)
        run_free(worker.runs);
    worker.cgroups = cgroups_free(worker.cgroups);
    return end(state) < 0 || cgroup_close(state) < 0 ? -1 : 0;
}

#define controller_or_skip(which, name)                                                         \
    do {                                                                                        \
        cgroup_or_skip();                                                                       \
        if (!(controllers & (which))) {                                                         \
            fprintf(stderr, "skipped: control groups (v2) have no " name " controller here\n"); \
            skip();                                                                             \
        }                                                                                       \
    } while (0)

static struct run *start(const char *script) {
    shell_argv[2] = script;
    claim_all(1, 1, SHELL);
    assert_non_null(run_of(1));
    return run_of(1);
}

static struct handler *limits(void) {
    return (struct handler *)(uintptr_t)handler_of(SHELL);
}

static json_t *detail_of(const struct run *run) {
    struct hx_json_error error;
    json_t *parsed = NULL;
    assert_int_equal(hx_json_parse(run->outcome.detail, strlen(run->outcome.detail), &parsed, &error), 0);
    return parsed;
}

static bool has_number(const struct run *run, const char *key) {
    _cleanup_json_ json_t *detail = detail_of(run);
    return json_is_integer(json_object_get(detail, key));
}

static void count(int group, const char *name, void *user) {
    (void)group, (void)name;
    ++*(int *)user;
}

/* Groups of runs that there are. */
static int groups(void) {
    int n = 0, fd = openat(cgroup_fd, "worker-1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    hx_cgroup_each(fd, count, &n);
    close(fd);
    return n;
}

/* A file of the group of the first run. */
static const char *content(const char *file) {
    static char text[128];
    char path[64];
    snprintf(path, sizeof path, "worker-1/run-1/%s", file);
    int fd = openat(cgroup_fd, path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(n > 0);
    text[n - 1] = '\0';
    return text;
}

/* A daemon without group, session, parent or environment: nothing but the group knows whose it is. */
#define DAEMON                                                                          \
    "pid=$( (setsid env -i /bin/sh -c 'echo $$; exec sleep 300 >/dev/null' &) ); echo " \
    "\"{\\\"stage\\\":\\\"$pid\\\"}\"; "

static pid_t pid_told(struct run *run) {
    PUMP(run->message_count > 0);
    const char *stage = strstr(run->messages[0], "\"stage\":\"");
    assert_non_null(stage);
    return (pid_t)strtol(stage + strlen("\"stage\":\""), NULL, 10);
}

static void what_it_leaves_ends_with_it(void **state) {
    (void)state;
    cgroup_or_skip();
    struct run *run = start(DAEMON);
    pid_t pid = pid_told(run);
    PUMP(run->ended);
    assert_string_equal(hx_status_name(run->outcome.status), "succeeded");
    PUMP(kill(pid, 0) < 0);
    PUMP(groups() == 0);
    assert_true(has_number(run, "cpu_ms"));
}

static void a_kill_reaches_all_of_it(void **state) {
    (void)state;
    cgroup_or_skip();
    struct run *run = start(DAEMON "trap '' TERM; while :; do sleep 300; done");
    pid_t pid = pid_told(run);
    assert_int_equal(groups(), 1);
    exec_kill(run);
    PUMP(run->ended);
    PUMP(kill(pid, 0) < 0);
    PUMP(groups() == 0);
}

/* What told that the program was started is closed once: by the next line its number may be another's. */
static void each_line_closes_nothing_of_others(void **state) {
    (void)state;
    cgroup_or_skip();
    struct run *run = start("echo a line; echo '{\"stage\":\"one\"}'; kill -STOP $$; echo another; echo and one more");
    PUMP(run->message_count > 0);
    int others[16];
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++)
        assert_true((others[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    pid_t pid = run->evidence->pgid;
    PUMP((run->ended || kill(pid, SIGCONT) == 0) && run->ended);
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++)
        assert_int_equal(close(others[i]), 0);
}

static void the_worker_is_not_in_it(void **state) {
    (void)state;
    cgroup_or_skip();
    struct run *run = start("cat /proc/self/cgroup | sed -n 's,^0::.*/\\(hx-test-.*\\),{\"result\":\"\\1\"},p'");
    PUMP(run->ended);
    _cleanup_json_ json_t *detail = detail_of(run);
    const char *where = json_string_value(json_object_get(detail, "result"));
    assert_non_null(where);
    assert_string_equal(where + strlen(cgroup_name), "/worker-1/run-1");
}

static void a_group_that_can_not_be_made(void **state) {
    (void)state;
    int nowhere = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cgroups_start(&worker, nowhere);
    struct run *run = start("exit 0");
    assert_null(run->cgroup);
    PUMP(run->ended);
    assert_string_equal(hx_status_name(run->outcome.status), "succeeded");
    worker.cgroups = cgroups_free(worker.cgroups);
}

static void memory_of_all_its_processes(void **state) {
    (void)state;
    controller_or_skip(HX_CGROUP_MEMORY, "memory");
    limits()->memory_max = 32 << 20;
    struct run *run = start("head -c 100000000 /dev/zero | tail -c 90000000 >/dev/null; sleep 300");
    PUMP(run->ended);
    assert_string_equal(run->outcome.code, "memory_max");
    assert_non_null(strstr(run->outcome.message, "the handler died by SIGKILL (memory_max 32M, "));
    _cleanup_json_ json_t *detail = detail_of(run);
    json_int_t peak = json_integer_value(json_object_get(detail, "memory_peak_kb"));
    assert_true(peak > 16 * 1024 && peak < 64 * 1024);
}

static void memory_that_suffices(void **state) {
    (void)state;
    controller_or_skip(HX_CGROUP_MEMORY, "memory");
    limits()->memory_max = 256 << 20;
    struct run *run = start("echo \"{\\\"result\\\":\\\"$(ulimit -d)\\\"}\"");
    PUMP(run->ended);
    _cleanup_json_ json_t *detail = detail_of(run); /* the limit of each process would be another one */
    assert_string_equal(json_string_value(json_object_get(detail, "result")), "unlimited");
    assert_true(has_number(run, "memory_peak_kb"));
}

static void tasks_can_not_be_more(void **state) {
    (void)state;
    controller_or_skip(HX_CGROUP_PIDS, "pids");
    limits()->tasks_max = 5;
    struct run *run = start("for i in 1 2 3 4 5 6 7 8 9; do sleep 300 & done; sleep 300");
    PUMP(run->ended);
    assert_string_equal(run->outcome.code, "tasks_max");
}

static void tasks_as_many_as_it_may(void **state) {
    (void)state;
    controller_or_skip(HX_CGROUP_PIDS, "pids");
    limits()->tasks_max = 5;
    struct run *run = start("sleep 300 & sleep 300 & sleep 300 & echo '{\"stage\":\"on\"}'; wait");
    PUMP(run->message_count);
    hx_timer_set(worker.tasks_timer, 0);
    hx_loop_once(worker.loop, 0);
    assert_false(run->ended);
    assert_string_equal(content("pids.max"), "5");
    run_stop(run, STOP_CANCEL, "why");
    PUMP(run->ended);
}

static void cores(void **state) {
    (void)state;
    controller_or_skip(HX_CGROUP_CPU, "cpu");
    limits()->cpu_max = 0.25;
    struct run *run = start("sleep 300");
    assert_string_equal(content("cpu.max"), "25000 100000");
    run_stop(run, STOP_CANCEL, "why");
    PUMP(run->ended);
}

/* That is known only when its child has ended. */
static void a_program_that_is_missing(void **state) {
    (void)state;
    cgroup_or_skip();
    shell_argv[0] = "/does/not/exist";
    struct run *run = start("true");
    PUMP(run->ended);
    assert_int_equal(run->outcome.status, HX_FAILED);
    assert_string_equal(run->outcome.code, "spawn");
    assert_string_equal(run->outcome.message, "/does/not/exist: No such file or directory");
    PUMP(!groups());
}

static void a_program_that_is_missing_and_not_wanted_any_more(void **state) {
    (void)state;
    cgroup_or_skip();
    shell_argv[0] = "/does/not/exist";
    struct run *run = start("true");
    run_stop(run, STOP_CANCEL, "why");
    PUMP(run->ended);
    assert_int_equal(run->outcome.status, HX_CANCELED);
}

#define IN_CGROUP(f) cmocka_unit_test_setup_teardown(f, begin_in_cgroup, end_in_cgroup)

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        IN_CGROUP(what_it_leaves_ends_with_it),
        IN_CGROUP(a_kill_reaches_all_of_it),
        IN_CGROUP(each_line_closes_nothing_of_others),
        IN_CGROUP(the_worker_is_not_in_it),
        cmocka_unit_test_setup_teardown(a_group_that_can_not_be_made, begin, end),
        IN_CGROUP(memory_of_all_its_processes),
        IN_CGROUP(memory_that_suffices),
        IN_CGROUP(tasks_can_not_be_more),
        IN_CGROUP(tasks_as_many_as_it_may),
        IN_CGROUP(cores),
        IN_CGROUP(a_program_that_is_missing),
        IN_CGROUP(a_program_that_is_missing_and_not_wanted_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
