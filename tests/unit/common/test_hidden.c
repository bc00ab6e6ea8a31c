#include "common/hidden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/process.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char top[] = "/tmp/hxhdXXXXXX";
static char *hidden, *key, *late;
static struct hx_hidden *h;
static int64_t wall_s; /* 0: the clock's own */

/* In the place of libc's: what has just changed has done so long ago. */
int clock_gettime(clockid_t id, struct timespec *t) {
    long r = syscall(SYS_clock_gettime, id, t);
    if (r == 0 && id == CLOCK_REALTIME && wall_s)
        *t = (struct timespec){ .tv_sec = wall_s };
    return (int)r;
}

static void put(const char *path) {
    _cleanup_fclose_ FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("secret\n", f);
}

static int setup(void **s) {
    (void)s;
    hx_strcopy(top, sizeof top, "/tmp/hxhdXXXXXX");
    if (!mkdtemp(top))
        return -1;
    hidden = hx_printf("%s/hidden", top);
    key = hx_printf("%s/key", hidden);
    late = hx_printf("%s/late", top);
    mkdir(hidden, 0755);
    put(key);
    h = hx_hidden_new(hidden);
    wall_s = time(NULL) + 3600;
    return 0;
}

static int teardown(void **s) {
    (void)s;
    hx_hidden_free(h);
    wall_s = 0;
    unlink(key);
    unlink(late);
    rmdir(hidden);
    free(hidden);
    free(key);
    free(late);
    return rmdir(top);
}

static int rules_or_skip(void) {
    int rules = hx_hidden_rules(h);
    if (rules == -ENOSYS || rules == -EOPNOTSUPP || rules == -EPERM) {
        fprintf(stderr, "skipped: no Landlock here: %s\n", strerror(-rules));
        skip();
    }
    assert_true(rules >= 0);
    return rules;
}

static bool reads(int rules, const char *path) {
    const char *argv[] = { "/bin/sh", "-c", "read line <\"$0\"", path, NULL };
    struct hx_spawn spec = {
        .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .no_new_privs = true, .rules = rules
    };
    pid_t pid;
    int status;
    assert_int_equal(hx_spawn(&spec, &pid), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int64_t changed_ns(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

/* Others of this machine make files in / and /tmp, and mount: then rules are made anew. As soon as nobody does for a moment, they are not. */
static void what_stays_as_it_is_keeps_its_rules(void **s) {
    (void)s;
    const char *const way[] = { "/", "/tmp", top, hidden };
    struct pollfd mounts = { .fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), .events = POLLPRI };
    int64_t deadline = hx_mono_ms() + 30000, before[HX_ARRAY_LEN(way)];
    bool quiet = false, kept = false;
    while (!quiet && hx_mono_ms() < deadline) {
        for (size_t i = 0; i < HX_ARRAY_LEN(way); i++)
            before[i] = changed_ns(way[i]);
        poll(&mounts, 1, 0);
        int first = rules_or_skip(), second = hx_hidden_rules(h);
        kept = first == second;
        quiet = poll(&mounts, 1, 0) == 0;
        for (size_t i = 0; i < HX_ARRAY_LEN(way); i++)
            quiet &= before[i] == changed_ns(way[i]);
    }
    close(mounts.fd);
    assert_true(quiet && kept);
    assert_false(reads(hx_hidden_rules(h), key));
}

static void what_is_made_beside_it_can_be_read(void **s) {
    (void)s;
    int first = rules_or_skip();
    put(late);
    int second = hx_hidden_rules(h);
    assert_int_not_equal(first, second);
    assert_true(reads(second, late));
    assert_false(reads(second, key));
}

/* The next change may bear the same time. */
static void what_has_just_changed_is_not_trusted(void **s) {
    (void)s;
    wall_s = changed_ns(hidden) / 1000000000;
    int first = rules_or_skip();
    assert_int_not_equal(first, hx_hidden_rules(h));
}

static void nothing_to_hide(void **s) {
    (void)s;
    const char *const none[] = { NULL, "", "/does/not/exist" };
    for (size_t i = 0; i < HX_ARRAY_LEN(none); i++) {
        struct hx_hidden *nothing = hx_hidden_new(none[i]);
        assert_int_equal(hx_hidden_rules(nothing), -ENOENT);
        assert_null(hx_hidden_free(nothing));
    }
    assert_int_equal(hx_hidden_rules(NULL), -ENOENT);
    assert_null(hx_hidden_free(NULL));
    rules_or_skip();
    assert_int_equal(unlink(key), 0); /* by whatever took the last credential away */
    assert_int_equal(hx_hidden_rules(h), -ENOENT);
    put(key);
    assert_false(reads(rules_or_skip(), key));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_stays_as_it_is_keeps_its_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_made_beside_it_can_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_just_changed_is_not_trusted, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_hide, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
