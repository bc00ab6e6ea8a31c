#include "common/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/process.h"
#include "common/text.h"
#include "tests/unit/common/cgroup_here.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 10000 };

/* ---- a directory that looks like a group: which files are written and read, and what with ---- */

static char fake[] = "/tmp/hxcgXXXXXX";
static int fake_fd = -1;

static int open_fake(void **s) {
    (void)s;
    hx_strcopy(fake, sizeof fake, "/tmp/hxcgXXXXXX");
    fake_fd = mkdtemp(fake) ? open(fake, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return fake_fd < 0 ? -1 : 0;
}

static int close_fake(void **s) {
    (void)s;
    static const char *const names[] = {
        "memory.max",   "memory.swap.max", "memory.oom.group", "memory.peak", "memory.events",
        "cpu.max",      "cpu.stat",        "pids.max",         "pids.events", "cgroup.subtree_control",
        "cgroup.events"
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(names); i++)
        unlinkat(fake_fd, names[i], 0);
    close(fake_fd);
    return rmdir(fake);
}

static void file(const char *name, const char *text) {
    int fd = openat(fake_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static const char *content(const char *name) {
    static char text[256];
    int fd = openat(fake_fd, name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static void limits_in_the_kernels_words(void **s) {
    (void)s;
    static const char *const files[] = { "memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max" };
    for (size_t i = 0; i < HX_ARRAY_LEN(files); i++)
        file(files[i], "");
    assert_int_equal(hx_cgroup_limit(fake_fd, &(struct hx_cgroup_limits){ 0 }), 0);
    assert_string_equal(content("memory.max"), "");
    struct hx_cgroup_limits limits = { .memory_max = INT64_C(5) << 30, .cpu_max = 1.5, .tasks_max = 64 };
    assert_int_equal(hx_cgroup_limit(fake_fd, &limits), HX_CGROUP_MEMORY | HX_CGROUP_CPU | HX_CGROUP_PIDS);
    assert_string_equal(content("memory.max"), "5368709120");
    assert_string_equal(content("memory.swap.max"), "0");
    assert_string_equal(content("memory.oom.group"), "1");
    assert_string_equal(content("cpu.max"), "150000 100000");
    assert_string_equal(content("pids.max"), "64");
    file("cpu.max", "");
    limits.cpu_max = 0.001; /* the kernel takes no less than a millisecond */
    hx_cgroup_limit(fake_fd, &limits);
    assert_string_equal(content("cpu.max"), "1000 100000");
}

static void limits_without_their_controllers(void **s) {
    (void)s;
    struct hx_cgroup_limits limits = { .memory_max = 1 << 20, .cpu_max = 1, .tasks_max = 1 };
    assert_int_equal(hx_cgroup_limit(fake_fd, &limits), 0);
    file("pids.max", "");
    assert_int_equal(hx_cgroup_limit(fake_fd, &limits), HX_CGROUP_PIDS);
}

static void usage(void **s) {
    (void)s;
    struct hx_cgroup_usage u = hx_cgroup_usage(fake_fd);
    assert_int_equal(u.memory_peak, -1);
    assert_int_equal(u.cpu_us, -1);
    assert_false(u.out_of_memory || u.out_of_tasks);
    file("memory.peak", "73728\n");
    file("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\noom_group_kill 0\n");
    file("cpu.stat", "nr_periods 7\nusage_usec 1328409\nuser_usec 259409\n");
    file("pids.events", "max 0\n");
    u = hx_cgroup_usage(fake_fd);
    assert_int_equal(u.memory_peak, 73728);
    assert_int_equal(u.cpu_us, 1328409);
    assert_false(u.out_of_memory || u.out_of_tasks);
    file("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n");
    file("pids.events", "max 17\n");
    u = hx_cgroup_usage(fake_fd);
    assert_true(u.out_of_memory && u.out_of_tasks);
}

static void controllers_are_handed_on_one_by_one(void **s) {
    (void)s;
    assert_int_equal(hx_cgroup_hand_on(fake_fd), 0);
    file("cgroup.subtree_control", "");
    assert_int_equal(hx_cgroup_hand_on(fake_fd), HX_CGROUP_MEMORY | HX_CGROUP_CPU | HX_CGROUP_PIDS);
}

/* ---- real ones ---- */

static void nobody_gave_us_ours(void **s) {
    (void)s;
    int fd;
    const char *why = NULL;
    if (hx_cgroup_own(&fd, &why) == 0)
        skip(); /* whoever runs the tests was given one */
    assert_non_null(why);
}

static void ours_when_it_was_delegated(void **s) {
    (void)s;
    cgroup_or_skip();
    const char *why = "";
    int fd = -1, inside = -1, status;
    pid_t pid = fork();
    if (pid == 0) {
        if (hx_cgroup_join(cgroup_fd) < 0)
            _exit(1);
        if (hx_cgroup_own(&fd, &why) != -EPERM || !strstr(why, "wasn't delegated"))
            _exit(2);
        cgroup_delegate();
        if (hx_cgroup_own(&fd, &why) < 0)
            _exit(3);
        struct stat a, b;
        if (fstat(fd, &a) < 0 || fstat(cgroup_fd, &b) < 0 || a.st_ino != b.st_ino)
            _exit(4);
        if (hx_cgroup_make(fd, "inside", &inside) < 0 || hx_cgroup_join(inside) < 0 ||
            hx_cgroup_own(&fd, &why) != -EPERM)
            _exit(5); /* what is inside a delegated one is its owner's business */
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Starts a shell in the group; returns when it has said a line. */
static pid_t shell_in(int cgroup, const char *script) {
    int fds[2];
    char byte;
    pid_t pid;
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    struct hx_spawn spec = { .argv = argv, .fd_in = -1, .fd_out = fds[1], .fd_err = -1, .new_group = true };
    spec.entrance = hx_cgroup_entrance(cgroup);
    assert_true(spec.entrance > 0);
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    close(spec.entrance);
    close(fds[1]);
    assert_int_equal(poll(&(struct pollfd){ .fd = fds[0], .events = POLLIN }, 1, DEADLINE_MS), 1);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    return pid;
}

/* The group of a process, as /proc tells it, behind the one of the tests. */
static const char *below(pid_t pid) {
    static char line[1024];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FILE *list = fopen(path, "re");
    assert_non_null(list);
    const char *found = NULL;
    while (!found && fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = '\0';
        found = hx_startswith(line, "0::") ? strstr(line, cgroup_name) : NULL;
    }
    fclose(list);
    assert_non_null(found);
    return found + strlen(cgroup_name);
}

static void wait_empty(int cgroup) {
    for (int i = 0; hx_cgroup_populated(cgroup); i++) {
        assert_true(i < DEADLINE_MS);
        poll(NULL, 0, 1);
    }
}

static void a_process_starts_in_it_and_ends_with_it(void **s) {
    (void)s;
    cgroup_or_skip();
    int run = -1, status;
    assert_int_equal(hx_cgroup_make(cgroup_fd, "run", &run), 0);
    assert_false(hx_cgroup_populated(run));
    pid_t pid =
        shell_in(run, "setsid sleep 300 & sleep 300 & echo; wait"); /* what leaves group and session is still in it */
    assert_string_equal(below(pid), "/run");
    assert_true(hx_cgroup_populated(run) && hx_cgroup_populated(cgroup_fd));
    assert_int_equal(hx_cgroup_remove(cgroup_fd, "run"), -EBUSY);
    assert_int_equal(hx_cgroup_kill(run), 0);
    wait_empty(run);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_true(hx_cgroup_usage(run).cpu_us > 0);
    assert_int_equal(hx_cgroup_remove(cgroup_fd, "run"), 0);
    assert_int_equal(hx_cgroup_remove(cgroup_fd, "run"), 0); /* again: nothing to do */
    close(run);
}

static void count(int cgroup, const char *name, void *user) {
    (void)cgroup;
    assert_string_equal(name, "worker-1");
    ++*(int *)user;
}

static void the_groups_inside_go_with_it(void **s) {
    (void)s;
    cgroup_or_skip();
    int worker = -1, run = -1, groups = 0;
    assert_int_equal(hx_cgroup_make(cgroup_fd, "worker-1", &worker), 0);
    assert_int_equal(hx_cgroup_make(worker, "run-1", &run), 0);
    assert_int_equal(hx_cgroup_make(worker, ".run-2", &run), 0);
    hx_cgroup_each(cgroup_fd, count, &groups);
    assert_int_equal(groups, 1);
    pid_t pid = shell_in(run, "echo; sleep 300");
    assert_int_equal(hx_cgroup_remove(cgroup_fd, "worker-1"), -EBUSY);
    assert_int_equal(hx_cgroup_kill(worker), 0); /* all below it */
    waitpid(pid, NULL, 0);
    wait_empty(worker);
    assert_int_equal(hx_cgroup_remove(cgroup_fd, "worker-1"), 0);
    groups = 0;
    hx_cgroup_each(cgroup_fd, count, &groups);
    assert_int_equal(groups, 0);
}

static void what_is_not_there(void **s) {
    (void)s;
    int fd;
    pid_t pid;
    assert_int_equal(hx_cgroup_make(fake_fd, "no/where", &fd), -ENOENT);
    assert_int_equal(hx_cgroup_entrance(fake_fd), -ENOENT);
    assert_int_equal(hx_cgroup_join(fake_fd), -ENOENT);
    assert_int_equal(hx_cgroup_kill(fake_fd), -ENOENT);
    assert_false(hx_cgroup_populated(fake_fd));
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* an entrance that lets nobody in */
    const char *const argv[] = { "/bin/true", NULL };
    struct hx_spawn spec = { .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .entrance = null_fd };
    assert_int_equal(hx_spawn(&spec, &pid), -EBADF);
    close(null_fd);
}

#define WITH_FAKE(f) cmocka_unit_test_setup_teardown(f, open_fake, close_fake)
#define WITH_REAL(f) cmocka_unit_test_setup_teardown(f, cgroup_open, cgroup_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FAKE(limits_in_the_kernels_words),
        WITH_FAKE(limits_without_their_controllers),
        WITH_FAKE(usage),
        WITH_FAKE(controllers_are_handed_on_one_by_one),
        WITH_FAKE(what_is_not_there),
        cmocka_unit_test(nobody_gave_us_ours),
        WITH_REAL(ours_when_it_was_delegated),
        WITH_REAL(a_process_starts_in_it_and_ends_with_it),
        WITH_REAL(the_groups_inside_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
