#include "supervisor/launch.h"

#include "tests/unit/supervisor/scratch.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static int cgroup_fd = -1;

static struct launch *make(void) {
    struct launch *l;
    struct hx_config *config = scratch_config(NULL);
    setenv("NOTIFY_SOCKET", "/run/manager", 1);
    assert_int_equal(launch_new(config, scratch_dir, "blue", "0b6a…", "text", &l), 0);
    unsetenv("NOTIFY_SOCKET");
    hx_config_free(config);
    return l;
}

/* Runs a line of shell as heimdex-worker; returns what it wrote into ./out. */
static const char *run(const char *line) {
    static char text[65536];
    char path[128];
    pid_t pid;
    int status;
    struct launch *l = make();
    scratch_program("heimdex-worker", line);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct launch_ends ends = { null_fd, null_fd, null_fd, cgroup_fd, -1 };
    assert_int_equal(launch_child(l, "heimdex-worker", 3, &ends, &pid), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    launch_free(l);
    close(null_fd);
    snprintf(path, sizeof(path), "%s/out", scratch_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static void the_command_line(void **s) {
    (void)s;
    assert_string_equal(run("echo $* >out"),
                        "--slot 3 --incarnation 0b6a… --instance blue --evidence-fd 3 --channel-fd 4 --config-fd 5\n");
}

static void of_one_with_a_cgroup(void **s) {
    (void)s;
    cgroup_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_string_equal(
        run("echo $* $(readlink /proc/self/fd/6) >out"),
        "--slot 3 --incarnation 0b6a… --instance blue --evidence-fd 3 --channel-fd 4 --config-fd 5 --cgroup-fd 6 /\n");
    close(cgroup_fd);
    cgroup_fd = -1;
}

static void the_environment(void **s) {
    (void)s;
    const char *text = run("env >out");
    assert_non_null(strstr(text, "HEIMDEX_LOG_FORMAT=text\n"));
    assert_null(strstr(text, "NOTIFY_SOCKET"));
}

/* Even where nobody is left to kill it. */
static void it_dies_with_us(void **s) {
    (void)s;
    assert_non_null(strstr(run("exec setpriv --dump >out"), "Parent death signal: KILL\n"));
}

static void the_configuration(void **s) {
    (void)s;
    struct hx_config *config;
    struct hx_config_error error;
    const char *text = run("cat <&5 >out");
    if (hx_config_unpack(text, strlen(text), &config, &error) < 0)
        fail_msg("%s", error.message);
    assert_string_equal(hx_config_string(config, HX_LOG_FORMAT_KEY), "text"); /* it was auto */
    assert_int_equal(hx_config_int(config, HX_WORKER_SLOTS), 16);
    hx_config_free(config);
    assert_string_equal(run("(echo x >&5) 2>/dev/null || echo sealed >out"), "sealed\n");
}

static void a_missing_program(void **s) {
    (void)s;
    pid_t pid;
    struct launch *l = make();
    assert_int_equal(launch_child(l, "heimdex-worker", 0, &(struct launch_ends){ 0, 0, 1, -1, -1 }, &pid), -ENOENT);
    launch_free(l);
    assert_null(launch_free(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_command_line, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(of_one_with_a_cgroup, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(the_environment, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(it_dies_with_us, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(the_configuration, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(a_missing_program, scratch_open, scratch_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
