#include "supervisor/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A name that no other run of this test has. */
static const char *name(const char *ending) {
    static char names[4][256];
    static unsigned next;
    char *text = names[next++ % 4];
    snprintf(text, sizeof(names[0]), "test-%d-%s", (int)getpid(), ending);
    return text;
}

static int take(const char *instance) {
    int fd = -1;
    assert_int_equal(instance_take(instance, &fd), 0);
    return fd;
}

static void refused(const char *instance) {
    int fd = -1;
    assert_int_equal(instance_take(instance, &fd), -EADDRINUSE);
    assert_int_equal(fd, -1);
}

static void one_has_it_at_a_time(void **s) {
    (void)s;
    int fd = take(name("a")), other = take(name("b"));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    refused(name("a"));
    close(fd);
    fd = take(name("a"));
    refused(name("b"));
    close(fd);
    close(other);
}

static void long_names_differ_to_their_end(void **s) {
    (void)s;
    char longest[120], twin[120];
    memset(longest, 'x', sizeof(longest));
    snprintf(longest, 20, "/%d/", (int)getpid());
    longest[strlen(longest)] = 'x';
    longest[sizeof(longest) - 1] = '\0';
    memcpy(twin, longest, sizeof(twin));
    twin[sizeof(twin) - 2] = 'y';
    int fd = take(longest), other = take(twin);
    refused(longest);
    refused(twin);
    close(fd);
    close(other);
}

static void it_is_free_when_its_holder_is_killed(void **s) {
    (void)s;
    int ready[2], status;
    char byte;
    const char *instance = name("killed");
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd;
        if (instance_take(instance, &fd) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    refused(instance);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(take(instance));
    close(ready[0]);
    close(ready[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_has_it_at_a_time),
        cmocka_unit_test(long_names_differ_to_their_end),
        cmocka_unit_test(it_is_free_when_its_holder_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
