#include "supervisor/control.h"

#include "tests/unit/supervisor/scratch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct hx_loop *loop;
static struct control *control;
static char path[128];

static json_t *answer(const json_t *request, void *user) {
    int *count = user;
    ++*count;
    return json_pack("{s:b,s:O}", "ok", true, "echo", request);
}

static int count;

static int open_control(void **s) {
    struct control_error error;
    scratch_open(s);
    count = 0;
    snprintf(path, sizeof(path), "%s/control", scratch_dir);
    assert_int_equal(hx_loop_new(&loop), 0);
    return control_new(loop, path, answer, &count, &control, &error);
}

static int close_control(void **s) {
    control = control_free(control);
    assert_int_equal(access(path, F_OK), -1);
    hx_loop_free(loop);
    return scratch_close(s);
}

static int connect_to(const char *to) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    hx_strcopy(address.sun_path, sizeof(address.sun_path), to);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Turns the loop until that came back. */
static void expect(int fd, const char *expected) {
    char text[4096];
    size_t n = 0;
    while (n < strlen(expected)) {
        ssize_t got = recv(fd, text + n, strlen(expected) - n, 0);
        if (got > 0)
            n += (size_t)got;
        else if (got == 0)
            fail_msg("closed after \"%.*s\"", (int)n, text);
        else
            hx_loop_once(loop, 2000);
    }
    assert_memory_equal(text, expected, n);
}

static void expect_end(int fd) {
    char c;
    ssize_t n;
    while ((n = recv(fd, &c, 1, 0)) < 0 && errno == EAGAIN)
        hx_loop_once(loop, 2000);
    assert_true(n == 0 || errno == ECONNRESET);
    close(fd);
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void answers_line_by_line(void **s) {
    (void)s;
    int fd = connect_to(path);
    say(fd, "{\"a\":1}\n\r\n\n{\"b\":");
    expect(fd, "{\"ok\":true,\"echo\":{\"a\":1}}\n");
    say(fd, "2}\n[]\n{x\n");
    expect(fd,
           "{\"ok\":true,\"echo\":{\"b\":2}}\n{\"ok\":false,\"error\":\"a request is a JSON object\"}\n{\"ok\":false,");
    assert_int_equal(count, 2);
    close(fd);
}

static void answers_who_has_said_all(void **s) {
    (void)s;
    int fd = connect_to(path);
    say(fd, "{}\n{}\n");
    shutdown(fd, SHUT_WR);
    expect(fd, "{\"ok\":true,\"echo\":{}}\n{\"ok\":true,\"echo\":{}}\n");
    expect_end(fd);
}

static void refuses_a_long_line(void **s) {
    (void)s;
    static char text[6000];
    int fd = connect_to(path);
    memset(text, 'x', sizeof(text) - 1);
    say(fd, text);
    expect(fd, "{\"ok\":false,\"error\":\"the line is too long\"}\n");
    expect_end(fd);
}

static void the_most_silent_makes_room(void **s) {
    (void)s;
    int fds[33];
    for (size_t i = 0; i < 33; i++) {
        fds[i] = connect_to(path);
        say(fds[i], "{}\n");
        expect(fds[i], "{\"ok\":true,\"echo\":{}}\n");
    }
    size_t closed = 0;
    for (size_t i = 0; i < 33; i++) {
        char c;
        closed += recv(fds[i], &c, 1, 0) == 0;
        close(fds[i]);
    }
    assert_int_equal(closed, 1);
}

static void only_one_has_it(void **s) {
    (void)s;
    struct control *second = NULL;
    struct control_error error;
    assert_int_equal(control_new(loop, path, answer, &count, &second, &error), -EWOULDBLOCK);
    assert_non_null(strstr(error.message, "another supervisor is running"));
    assert_null(second);
    int fd = connect_to(path); /* the first is unharmed */
    say(fd, "{}\n");
    expect(fd, "{\"ok\":true,");
    close(fd);
}

static void makes_its_directory_and_replaces_a_stale_socket(void **s) {
    (void)s;
    char other[128];
    struct stat st;
    struct control *second = NULL;
    struct control_error error;
    snprintf(other, sizeof(other), "%s/sub/control", scratch_dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(control_new(loop, other, answer, &count, &second, &error), 0);
        assert_int_equal(stat(other, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0660);
        second = control_free(second);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* what a dead one leaves */
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        hx_strcopy(address.sun_path, sizeof(address.sun_path), other);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
    }
}

static void refuses_bad_places(void **s) {
    (void)s;
    struct control *second = NULL;
    struct control_error error;
    char other[256];
    snprintf(other, sizeof(other), "%s/%0150d", scratch_dir, 1);
    assert_int_equal(control_new(loop, other, answer, &count, &second, &error), -ENAMETOOLONG);
    snprintf(other, sizeof(other), "%s/no/such/place", scratch_dir);
    assert_int_equal(control_new(loop, other, answer, &count, &second, &error), -ENOENT);
    snprintf(other, sizeof(other), "%s/sub", scratch_dir);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(control_new(loop, other, answer, &count, &second, &error), -EEXIST);
    snprintf(other, sizeof(other), "%s/sub.lock", scratch_dir);
    assert_int_equal(unlink(other), 0);
    assert_null(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_line_by_line, open_control, close_control),
        cmocka_unit_test_setup_teardown(answers_who_has_said_all, open_control, close_control),
        cmocka_unit_test_setup_teardown(refuses_a_long_line, open_control, close_control),
        cmocka_unit_test_setup_teardown(the_most_silent_makes_room, open_control, close_control),
        cmocka_unit_test_setup_teardown(only_one_has_it, open_control, close_control),
        cmocka_unit_test_setup_teardown(makes_its_directory_and_replaces_a_stale_socket, open_control, close_control),
        cmocka_unit_test_setup_teardown(refuses_bad_places, open_control, close_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
