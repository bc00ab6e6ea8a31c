#include "lib/channel/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end, and what it heard. */
struct end {
    struct hx_channel *channel;
    int heard, ends, last_fd;
    char last[64];
    bool free_at_once;
};

static struct hx_loop *loop;

static void on_message(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    struct end *end = user;
    const char *op = NULL;
    assert_ptr_equal(channel, end->channel);
    if (!message) {
        end->ends++;
    } else {
        end->heard++;
        end->last_fd = fd;
        if (hx_json_get_string(message, "op", &op) == 1)
            hx_strcopy(end->last, sizeof(end->last), op);
    }
    if (end->free_at_once)
        end->channel = hx_channel_free(end->channel);
}

static void open_ends(struct end *a, struct end *b) {
    int fds[2];
    *a = *b = (struct end){ .last_fd = -1 };
    assert_int_equal(hx_loop_new(&loop), 0);
    assert_int_equal(hx_channel_pair(fds), 0);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
    assert_int_equal(hx_channel_new(loop, fds[0], on_message, a, &a->channel), 0);
    assert_int_equal(hx_channel_new(loop, fds[1], on_message, b, &b->channel), 0);
}

static void close_ends(struct end *a, struct end *b) {
    a->channel = hx_channel_free(a->channel);
    b->channel = hx_channel_free(b->channel);
    loop = hx_loop_free(loop);
}

static void carries_messages_both_ways(void **s) {
    (void)s;
    struct end a, b;
    open_ends(&a, &b);
    assert_int_equal(hx_channel_send(a.channel, json_pack("{s:s}", "op", "ready"), -1), 0);
    assert_int_equal(hx_channel_send(b.channel, json_pack("{s:s}", "op", "retire"), -1), 0);
    while (a.heard == 0 || b.heard == 0)
        assert_int_equal(hx_loop_once(loop, 2000), 0);
    assert_string_equal(b.last, "ready");
    assert_string_equal(a.last, "retire");
    assert_int_equal(a.last_fd, -1);
    close_ends(&a, &b);
}

static void hands_a_descriptor_over(void **s) {
    (void)s;
    struct end a, b;
    char text[6] = "";
    int pipe_fds[2];
    open_ends(&a, &b);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(hx_channel_send(a.channel, json_pack("{s:s}", "op", "death"), pipe_fds[1]), 0);
    close(pipe_fds[1]); /* what was sent is a duplicate */
    while (b.heard == 0)
        hx_loop_once(loop, 2000);
    assert_true(b.last_fd >= 0);
    assert_true(fcntl(b.last_fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(b.last_fd, "hello", 5), 5);
    assert_int_equal(read(pipe_fds[0], text, 5), 5);
    assert_string_equal(text, "hello");
    close(b.last_fd);
    close(pipe_fds[0]);
    close_ends(&a, &b);
}

static void tells_the_end_once_and_last(void **s) {
    (void)s;
    struct end a, b;
    open_ends(&a, &b);
    /* b never read this: its end comes as a reset, before which a's last words must still be heard */
    hx_channel_send(a.channel, json_pack("{s:s}", "op", "unread"), -1);
    hx_channel_send(b.channel, json_pack("{s:s}", "op", "fatal"), -1);
    b.channel = hx_channel_free(b.channel);
    while (a.ends == 0)
        hx_loop_once(loop, 2000);
    assert_int_equal(a.heard, 1);
    assert_string_equal(a.last, "fatal");
    for (int i = 0; i < 3; i++)
        hx_loop_once(loop, 0);
    assert_int_equal(a.ends, 1);
    assert_int_equal(hx_channel_send(a.channel, json_pack("{s:s}", "op", "x"), -1), -EPIPE);
    close_ends(&a, &b);
}

static void queues_for_a_slow_reader(void **s) {
    (void)s;
    enum { MANY = 2000 };
    struct end a, b;
    open_ends(&a, &b);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(
            hx_channel_send(a.channel, json_pack("{s:s,s:i}", "op", i == MANY - 1 ? "last" : "more", "n", i), -1), 0);
    assert_int_equal(b.heard, 0);
    while (b.heard < MANY)
        assert_int_equal(hx_loop_once(loop, 2000), 0);
    assert_string_equal(b.last, "last");
    close_ends(&a, &b);
}

static void drops_the_queue_of_a_dead_reader(void **s) {
    (void)s;
    struct end a, b;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    open_ends(&a, &b);
    for (int i = 0; i < 2000; i++)
        hx_channel_send(a.channel, json_pack("{s:i}", "n", i), null_fd);
    close(null_fd);
    b.channel = hx_channel_free(b.channel);
    while (a.ends == 0)
        hx_loop_once(loop, 2000);
    close_ends(&a, &b);
}

static void may_be_freed_in_its_callback(void **s) {
    (void)s;
    struct end a, b;
    open_ends(&a, &b);
    b.free_at_once = true;
    hx_channel_send(a.channel, json_pack("{s:s}", "op", "one"), -1);
    hx_channel_send(a.channel, json_pack("{s:s}", "op", "two"), -1);
    while (b.channel)
        hx_loop_once(loop, 2000);
    assert_int_equal(b.heard, 1);
    while (a.ends == 0)
        hx_loop_once(loop, 2000);
    close_ends(&a, &b);
}

static void reads_at_once_when_asked(void **s) {
    (void)s;
    struct end a, b;
    open_ends(&a, &b);
    hx_channel_send(a.channel, json_pack("{s:s}", "op", "one"), -1);
    hx_channel_send(a.channel, json_pack("{s:s}", "op", "two"), -1);
    a.channel = hx_channel_free(a.channel);
    hx_channel_read(b.channel);
    assert_int_equal(b.heard, 2);
    assert_int_equal(b.ends, 1);
    hx_channel_read(b.channel);
    assert_int_equal(b.ends, 1);
    close_ends(&a, &b);
}

static void ignores_what_is_no_message(void **s) {
    (void)s;
    struct end b = { .last_fd = -1 };
    int fds[2];
    static char large[100 * 1024];
    memset(large, ' ', sizeof(large));
    assert_int_equal(hx_loop_new(&loop), 0);
    assert_int_equal(hx_channel_pair(fds), 0);
    assert_int_equal(hx_channel_new(loop, fds[1], on_message, &b, &b.channel), 0);
    assert_int_equal(send(fds[0], "nonsense", 8, 0), 8);
    assert_int_equal(send(fds[0], "[1]", 3, 0), 3);
    assert_int_equal(send(fds[0], large, sizeof(large), 0), sizeof(large));
    assert_int_equal(send(fds[0], "{\"op\":\"good\"}", 13, 0), 13);
    while (b.heard == 0)
        hx_loop_once(loop, 2000);
    assert_int_equal(b.heard, 1);
    assert_string_equal(b.last, "good");
    b.channel = hx_channel_free(b.channel);
    assert_null(hx_channel_free(NULL));
    close(fds[0]);
    loop = hx_loop_free(loop);
}

static void refuses_what_is_too_large(void **s) {
    (void)s;
    struct end a, b;
    static char large[100 * 1024];
    memset(large, 'x', sizeof(large) - 1);
    open_ends(&a, &b);
    assert_int_equal(hx_channel_send(a.channel, json_pack("{s:s}", "op", large), -1), -EMSGSIZE);
    close_ends(&a, &b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_messages_both_ways),       cmocka_unit_test(hands_a_descriptor_over),
        cmocka_unit_test(tells_the_end_once_and_last),      cmocka_unit_test(queues_for_a_slow_reader),
        cmocka_unit_test(drops_the_queue_of_a_dead_reader), cmocka_unit_test(may_be_freed_in_its_callback),
        cmocka_unit_test(reads_at_once_when_asked),         cmocka_unit_test(ignores_what_is_no_message),
        cmocka_unit_test(refuses_what_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
