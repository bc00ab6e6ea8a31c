#include "producer/output.h"

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
#include <unistd.h>

struct pipe_test {
    struct hx_loop *loop;
    struct output *out;
    int fds[2];
};

static int setup(void **state) {
    struct pipe_test *t = hx_alloc(sizeof(*t));
    assert_int_equal(pipe(t->fds), 0);
    assert_int_equal(hx_loop_new(&t->loop), 0);
    t->out = output_new(t->loop, t->fds[1]);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct pipe_test *t = *state;
    output_free(t->out);
    hx_loop_free(t->loop);
    close(t->fds[0]);
    close(t->fds[1]);
    free(t);
    return 0;
}

static void writes(void **state) {
    struct pipe_test *t = *state;
    char got[16];
    hx_buf_puts(output_buffer(t->out), "hello\n");
    output_flush(t->out);
    assert_int_equal(output_pending(t->out), 0);
    assert_int_equal(read(t->fds[0], got, sizeof(got)), 6);
    assert_memory_equal(got, "hello\n", 6);
}

/* More than the pipe holds: nothing blocks, and all arrives in order once somebody reads. */
static void slow_reader(void **state) {
    struct pipe_test *t = *state;
    size_t total = 0, seen = 0;
    for (unsigned i = 0; i < 100000; i++)
        hx_buf_printf(output_buffer(t->out), "%08u\n", i);
    total = output_pending(t->out);
    output_flush(t->out);
    assert_true(output_pending(t->out) > 0);
    assert_int_equal(fcntl(t->fds[1], F_GETFL) & O_NONBLOCK, 0);
    while (seen < total) {
        char got[9 * 1000];
        ssize_t n = 0;
        while (n < (ssize_t)sizeof(got)) {
            hx_loop_once(t->loop, 0);
            ssize_t r = read(t->fds[0], got + n, sizeof(got) - (size_t)n);
            assert_true(r > 0);
            n += r;
        }
        for (size_t i = 0; i < sizeof(got); i += 9, seen += 9) {
            char expected[10];
            snprintf(expected, sizeof(expected), "%08u\n", (unsigned)(seen / 9));
            assert_memory_equal(got + i, expected, 9);
        }
    }
    assert_int_equal(output_drain(t->out), 0);
    assert_int_equal(output_pending(t->out), 0);
}

static void reader_gone(void **state) {
    struct pipe_test *t = *state;
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    close(t->fds[0]);
    hx_buf_puts(output_buffer(t->out), "hello\n");
    output_flush(t->out);
    assert_int_equal(output_error(t->out), -EPIPE);
    assert_int_equal(output_pending(t->out), 0);
    assert_int_equal(output_drain(t->out), -EPIPE);
    t->fds[0] = dup(t->fds[1]);
}

static void full_disk(void **state) {
    struct pipe_test *t = *state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct output *out = output_new(t->loop, fd);
    hx_buf_puts(output_buffer(out), "hello\n");
    output_flush(out);
    assert_int_equal(output_error(out), -ENOSPC);
    output_free(out);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
