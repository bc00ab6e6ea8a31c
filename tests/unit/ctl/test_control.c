#include "ctl/control.h"

#include "common/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct sockaddr_un address;

static int listen_somewhere(void) {
    address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/hxctl-%d.sock", (int)getpid());
    unlink(address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* What comes of a question that is answered so (NULL: not at all), in two pieces. */
static int asked(const char *reply, json_t **ret) {
    int listener = listen_somewhere();
    pid_t pid = fork();
    if (pid == 0) {
        char line[64];
        int fd = accept(listener, NULL, NULL);
        ssize_t n = read(fd, line, sizeof line), half = reply ? (ssize_t)strlen(reply) / 2 : 0;
        bool good = n == 8 && memcmp(line, "{\"a\":1}\n", 8) == 0;
        if (reply)
            good &= write(fd, reply, (size_t)half) == half && write(fd, reply + half, strlen(reply + half)) >= 0;
        else
            good &= read(fd, line, 1) == 0; /* until it gives up */
        _exit(good ? 0 : 1);
    }
    close(listener);
    int status, r = control_ask(address.sun_path, "{\"a\":1}", reply ? 20000 : 50, ret);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    unlink(address.sun_path);
    return r;
}

static void answers(void **s) {
    (void)s;
    _cleanup_json_ json_t *answer = NULL;
    assert_int_equal(asked("{\"ok\":true}\n", &answer), 0);
    assert_true(json_is_true(json_object_get(answer, "ok")));
}

static void troubles(void **s) {
    (void)s;
    json_t *answer = NULL;
    assert_int_equal(control_ask("/tmp/no/such", "{}", 1000, &answer), -ENOENT);
    assert_int_equal(asked("nonsense\n", &answer), -EPROTO);
    assert_int_equal(asked("[]\n", &answer), -EPROTO);
    assert_int_equal(asked("{\"ok\":", &answer), -ECONNRESET);
    assert_int_equal(asked(NULL, &answer), -ETIMEDOUT);
    close(listen_somewhere());
    assert_int_equal(control_ask(address.sun_path, "{}", 1000, &answer), -ECONNREFUSED);
    unlink(address.sun_path);
    char endless[sizeof address.sun_path + 1];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(control_ask(endless, "{}", 1000, &answer), -ENAMETOOLONG);
    assert_null(answer);
    assert_string_equal(control_trouble(-ENOENT), control_trouble(-ECONNREFUSED));
    assert_non_null(strstr(control_trouble(-ENAMETOOLONG), "too long"));
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(answers), cmocka_unit_test(troubles) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
