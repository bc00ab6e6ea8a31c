#include "common/landlock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/process.h"
#include "common/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[] = "/tmp/hxllXXXXXX";
static const char *const names[] = { "hidden", "beside", "hidden/key", "beside/file", "loose" };

static char *path_of(const char *name) {
    return hx_printf("%s/%s", top, name);
}

static void put(const char *name) {
    _cleanup_free_ char *path = path_of(name);
    _cleanup_fclose_ FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("secret\n", f);
}

static int setup(void **s) {
    (void)s;
    hx_strcopy(top, sizeof top, "/tmp/hxllXXXXXX");
    if (!mkdtemp(top))
        return -1;
    _cleanup_free_ char *hidden = path_of("hidden"), *beside = path_of("beside");
    mkdir(hidden, 0755);
    mkdir(beside, 0755);
    for (size_t i = 2; i < HX_ARRAY_LEN(names); i++)
        put(names[i]);
    return 0;
}

static int teardown(void **s) {
    (void)s;
    for (size_t i = HX_ARRAY_LEN(names); i-- > 0;) {
        _cleanup_free_ char *path = path_of(names[i]);
        remove(path);
    }
    return rmdir(top);
}

/* Runs a line of shell in the folder under the rules; its exit code. */
static int shell(int rules, const char *line) {
    const char *argv[] = { "/bin/sh", "-c", line, NULL };
    struct hx_spawn spec = {
        .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .cwd = top, .no_new_privs = true, .rules = rules
    };
    pid_t pid;
    int status;
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int rules_or_skip(void) {
    _cleanup_free_ char *hidden = path_of("hidden");
    int rules = hx_landlock_hide(hidden);
    if (rules < 0) {
        fprintf(stderr, "skipped: no Landlock here: %s\n", strerror(-rules));
        assert_true(rules == -ENOSYS || rules == -EOPNOTSUPP || rules == -EPERM);
        skip();
    }
    return rules;
}

static void what_is_hidden_can_not_be_read(void **s) {
    (void)s;
    int rules = rules_or_skip();
    assert_int_equal(shell(-1, "read line <hidden/key"), 0);
    assert_int_equal(shell(rules, "read line <hidden/key"), 2);
    assert_int_equal(shell(rules, "cp hidden/key beside/file 2>/dev/null"), 1);
    assert_int_equal(shell(rules, "ln -s hidden/key link; read line <link; r=$?; rm link; exit $r"), 2);
    assert_int_equal(shell(rules, "ln hidden/key beside/hard 2>/dev/null"), 1); /* to where it could be read */
    assert_int_equal(shell(rules, "mv hidden/key beside/key 2>/dev/null; [ -e hidden/key ] && [ ! -e beside/key ]"), 0);
    assert_int_equal(shell(rules, "sh -c 'exec sh -c \"read line <hidden/key\"'"), 2); /* whatever it executes */
    close(rules);
}

static void everything_else_is_as_before(void **s) {
    (void)s;
    int rules = rules_or_skip();
    assert_int_equal(shell(rules, "read line <beside/file && read line <loose && read line </etc/passwd"), 0);
    assert_int_equal(shell(rules, "ls / >/dev/null && ls beside >/dev/null && ls /proc/self/fd >/dev/null"), 0);
    assert_int_equal(shell(rules, "echo new >beside/new && read line <beside/new && rm beside/new"), 0);
    assert_int_equal(shell(rules, "mv loose beside/moved && read line <beside/moved && mv beside/moved loose"), 0);
    assert_int_equal(
        shell(rules, "mkdir beside/d && echo x >beside/d/f && cat beside/d/f >/dev/null && rm -r beside/d"), 0);
    close(rules);
}

static void nowhere(void **s) {
    (void)s;
    _cleanup_free_ char *hidden = path_of("hidden"), *key = path_of("hidden/key");
    close(rules_or_skip());
    assert_int_equal(hx_landlock_hide("/does/not/exist"), -ENOENT);
    assert_int_equal(remove(key), 0);
    /* systemd sets the variable though it has no credential to give. */
    assert_int_equal(hx_landlock_hide(hidden), -ENOENT);
    put("hidden/key");
    assert_int_equal(hx_landlock_hide("/etc/passwd"), -ENOTDIR);
    assert_true(hx_landlock_enter(-1) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_hidden_can_not_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_else_is_as_before, setup, teardown),
        cmocka_unit_test_setup_teardown(nowhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
