#include "lib/notify/notify.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A notification socket as systemd has it. */
struct listener {
    char folder[64], path[96];
    int fd;
};

static int set_up(void **state) {
    struct listener *l = hx_alloc(sizeof *l);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    hx_strcopy(l->folder, sizeof l->folder, "/tmp/heimdex-notify-XXXXXX");
    if (!mkdtemp(l->folder))
        return -1;
    snprintf(l->path, sizeof l->path, "%s/notify", l->folder);
    hx_strcopy(address.sun_path, sizeof address.sun_path, l->path);
    l->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    *state = l;
    return setenv("NOTIFY_SOCKET", l->path, 1);
}

static int tear_down(void **state) {
    struct listener *l = *state;
    close(l->fd);
    unlink(l->path);
    rmdir(l->folder);
    free(l);
    return unsetenv("NOTIFY_SOCKET") | unsetenv("WATCHDOG_USEC") | unsetenv("WATCHDOG_PID");
}

/* The next datagram, or NULL. */
static const char *next(const struct listener *l) {
    static char message[4096];
    ssize_t n = recv(l->fd, message, sizeof message - 1, 0);
    if (n < 0)
        return NULL;
    message[n] = '\0';
    return message;
}

static void one_datagram_each(void **state) {
    hx_notify_ready("Running 4 workers");
    assert_string_equal(next(*state), "READY=1\nSTATUS=Running 4 workers");
    hx_notify_ready(NULL);
    assert_string_equal(next(*state), "READY=1");
    hx_notify_status("%d of %d workers", 3, 4);
    assert_string_equal(next(*state), "STATUS=3 of 4 workers");
    hx_notify_stopping("Draining");
    assert_string_equal(next(*state), "STOPPING=1\nSTATUS=Draining");
    hx_notify_watchdog();
    assert_string_equal(next(*state), "WATCHDOG=1");
    hx_notify_extend_timeout(1500);
    assert_string_equal(next(*state), "EXTEND_TIMEOUT_USEC=1500000");
    hx_notify_extend_timeout(0);
    hx_notify_extend_timeout(-1);
    assert_null(next(*state));
}

static void status_is_one_line(void **state) {
    hx_notify_status("bad\nREADY=1\r\tend");
    assert_string_equal(next(*state), "STATUS=bad READY=1  end");
    hx_notify_status("%s", "");
    assert_string_equal(next(*state), "STATUS=");
}

static uint64_t monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void reloading_tells_the_time(void **state) {
    uint64_t before = monotonic_us();
    hx_notify_reloading();
    const char *message = next(*state), *head = "RELOADING=1\nMONOTONIC_USEC=";
    assert_true(hx_startswith(message, head));
    uint64_t said = strtoull(message + strlen(head), NULL, 10);
    assert_true(said >= before && said <= monotonic_us());
}

static void silent_without_socket(void **state) {
    assert_true(hx_notify_is_heard());
    unsetenv("NOTIFY_SOCKET");
    assert_false(hx_notify_is_heard());
    hx_notify_ready("x");
    hx_notify_status("x");
    assert_null(next(*state));
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    hx_notify_ready("x");
    assert_null(next(*state));
}

static void watchdog_interval(void **state) {
    (void)state;
    char pid[16];
    assert_int_equal(hx_notify_watchdog_interval_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(hx_notify_watchdog_interval_ms(), 15000);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(hx_notify_watchdog_interval_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(hx_notify_watchdog_interval_ms(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "100", 1);
    assert_int_equal(hx_notify_watchdog_interval_ms(), 1);
    setenv("WATCHDOG_USEC", "nonsense", 1);
    assert_int_equal(hx_notify_watchdog_interval_ms(), 0);
}

static int listening(const struct listener *l, const char *name, char *ret_path, size_t size) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(ret_path, size, "%s/%s", l->folder, name);
    hx_strcopy(address.sun_path, sizeof address.sun_path, ret_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0);
    return fd;
}

static void kept_only_by_systemd(void **state) {
    unsetenv("INVOCATION_ID");
    assert_false(hx_notify_keep(STDIN_FILENO, "control"));
    assert_null(next(*state));
    setenv("INVOCATION_ID", "0123456789abcdef0123456789abcdef", 1);
    assert_true(hx_notify_keep(STDIN_FILENO, "control"));
    assert_string_equal(next(*state), "FDSTOREREMOVE=1\nFDNAME=control");
    assert_string_equal(next(*state), "FDSTORE=1\nFDNAME=control");
    unsetenv("INVOCATION_ID");
}

/* In a process of its own, whose descriptors from 3 on are those that systemd passes. */
static int take(int fds[2], const char *path) {
    char pid[16];
    dup2(fds[0], 3);
    dup2(fds[1], 4);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    int fd = hx_notify_take_socket(path);
    bool right = fd == 4 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK);
    return right && fcntl(3, F_GETFD) < 0 && hx_notify_take_socket(path) == -ENOENT ? 0 : 1;
}

static void the_socket_that_is_meant_is_taken(void **state) {
    struct listener *l = *state;
    char other[96], wanted[96];
    int fds[2] = { listening(l, "other", other, sizeof other), listening(l, "wanted", wanted, sizeof wanted) };
    assert_int_equal(hx_notify_take_socket(wanted), -ENOENT);
    fds[0] = fcntl(fds[0], F_DUPFD_CLOEXEC, 10);
    fds[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, 10);
    pid_t pid = fork();
    if (pid == 0)
        _exit(take(fds, wanted));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    unlink(other);
    unlink(wanted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_datagram_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(status_is_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reloading_tells_the_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silent_without_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(watchdog_interval, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_only_by_systemd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_socket_that_is_meant_is_taken, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
