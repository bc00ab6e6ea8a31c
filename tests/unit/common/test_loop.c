#include "common/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/text.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { DEADLINE_MS = 10000 };

struct fixture {
    struct hx_loop *loop;
    int a[2], b[2]; /* socket pairs: [0] is watched, [1] is the test's */
    struct hx_watch *watch_a, *watch_b;
    int calls_a, calls_b, prepared;
    uint32_t events;
};

static int setup(void **state) {
    struct fixture *f = hx_alloc(sizeof(*f));
    *state = f;
    return hx_loop_new(&f->loop) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->a) ||
           socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->b);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    hx_loop_free(f->loop);
    for (int i = 0; i < 2; i++) {
        close(f->a[i]);
        close(f->b[i]);
    }
    free(f);
    return 0;
}

static void poke(int fd) {
    assert_int_equal(write(fd, "x", 1), 1);
}

static void swallow(int fd) {
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
}

static void count_a(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    f->calls_a++;
    f->events = events;
    if (events & EPOLLIN)
        swallow(fd);
}

static void dispatches_what_is_ready(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLIN, count_a, f, &f->watch_a), 0);
    assert_int_equal(hx_loop_once(f->loop, 0), 0);
    assert_int_equal(f->calls_a, 0);
    poke(f->a[1]);
    assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(f->calls_a, 1);
    assert_int_equal(f->events, EPOLLIN);
    assert_int_equal(hx_watch_set(f->watch_a, EPOLLOUT), 0);
    assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(f->calls_a, 2);
    assert_int_equal(f->events, EPOLLOUT);
    assert_int_equal(hx_loop_rounds(f->loop), 3);
    assert_null(hx_watch_free(f->watch_a));
    assert_null(hx_watch_free(NULL));
    hx_loop_once(f->loop, 0);
    assert_int_equal(f->calls_a, 2);
}

static void reports_what_epoll_refuses(void **state) {
    struct fixture *f = *state;
    struct hx_watch *untouched = (struct hx_watch *)state;
    struct hx_watch *watch = untouched;
    assert_int_equal(hx_watch_new(f->loop, -1, EPOLLIN, count_a, f, &watch), -EBADF);
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLIN, count_a, f, &f->watch_a), 0);
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLIN, count_a, f, &watch), -EEXIST);
    assert_ptr_equal(watch, untouched);
}

/* Whichever of the two comes first frees both, and closes a descriptor: the other one's event is stale then. */
static void free_both(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    (void)fd;
    (void)events;
    f->calls_a++;
    f->watch_a = hx_watch_free(f->watch_a);
    f->watch_b = hx_watch_free(f->watch_b);
}

static void a_callback_frees_itself_and_others(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLIN, free_both, f, &f->watch_a), 0);
    assert_int_equal(hx_watch_new(f->loop, f->b[0], EPOLLIN, free_both, f, &f->watch_b), 0);
    poke(f->a[1]);
    poke(f->b[1]);
    assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(f->calls_a, 1);
    hx_loop_once(f->loop, 0);
    assert_int_equal(f->calls_a, 1);
}

static void count_b(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    (void)events;
    f->calls_b++;
    swallow(fd);
}

/* Frees the other watch and makes a new one for the same descriptor. */
static void replace_other(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    (void)events;
    swallow(fd);
    f->calls_a++;
    struct hx_watch **other = fd == f->a[0] ? &f->watch_b : &f->watch_a;
    hx_watch_free(*other);
    assert_int_equal(hx_watch_new(f->loop, fd == f->a[0] ? f->b[0] : f->a[0], EPOLLIN, count_b, f, other), 0);
}

static void a_replaced_watch_gets_no_stale_event(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLIN, replace_other, f, &f->watch_a), 0);
    assert_int_equal(hx_watch_new(f->loop, f->b[0], EPOLLIN, replace_other, f, &f->watch_b), 0);
    poke(f->a[1]);
    poke(f->b[1]);
    assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(f->calls_a, 1);
    assert_int_equal(f->calls_b, 0);
    assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(f->calls_b, 1);
}

static void mute_other(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    (void)events;
    f->calls_a++;
    assert_int_equal(hx_watch_set(fd == f->a[0] ? f->watch_b : f->watch_a, 0), 0);
}

static void a_muted_watch_gets_no_stale_event(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLIN, mute_other, f, &f->watch_a), 0);
    assert_int_equal(hx_watch_new(f->loop, f->b[0], EPOLLIN, mute_other, f, &f->watch_b), 0);
    poke(f->a[1]);
    poke(f->b[1]);
    assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(f->calls_a, 1);
}

static void prepare(void *user) {
    struct fixture *f = user;
    if (++f->prepared == 5)
        hx_loop_stop(f->loop);
}

static void keep_going(int fd, uint32_t events, void *user) {
    (void)fd;
    (void)events;
    (void)user;
}

static void runs_until_stopped(void **state) {
    struct fixture *f = *state;
    hx_loop_set_prepare(f->loop, prepare, f);
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLOUT, keep_going, f, &f->watch_a), 0);
    assert_int_equal(hx_loop_run(f->loop), 0);
    assert_int_equal(f->prepared, 5);
    assert_int_equal(hx_loop_rounds(f->loop), 5);
    /* Stopped before it runs: not a round. */
    hx_loop_stop(f->loop);
    assert_int_equal(hx_loop_run(f->loop), 0);
    assert_int_equal(f->prepared, 5);
    f->prepared = 0;
    assert_int_equal(hx_loop_run(f->loop), 0);
    assert_int_equal(f->prepared, 5);
}

static void free_loop(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    (void)fd;
    (void)events;
    f->calls_a++;
    f->loop = hx_loop_free(f->loop);
}

static void a_callback_frees_the_loop(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLOUT, free_loop, f, &f->watch_a), 0);
    assert_int_equal(hx_watch_new(f->loop, f->b[0], EPOLLOUT, free_loop, f, &f->watch_b), 0);
    assert_int_equal(hx_loop_run(f->loop), 0);
    assert_int_equal(f->calls_a, 1);
    assert_null(f->loop);
}

/* A callback that waits for something by running rounds of its own. */
static void nest(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    (void)events;
    swallow(fd);
    f->calls_a++;
    f->watch_a = hx_watch_free(f->watch_a);
    poke(f->b[1]);
    int64_t end = hx_mono_ms() + DEADLINE_MS;
    while (f->calls_b == 0 && hx_mono_ms() < end)
        assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
}

static void rounds_nest(void **state) {
    struct fixture *f = *state;
    assert_int_equal(hx_watch_new(f->loop, f->a[0], EPOLLIN, nest, f, &f->watch_a), 0);
    assert_int_equal(hx_watch_new(f->loop, f->b[0], EPOLLIN, count_b, f, &f->watch_b), 0);
    poke(f->a[1]);
    assert_int_equal(hx_loop_once(f->loop, DEADLINE_MS), 0);
    assert_int_equal(f->calls_a, 1);
    assert_int_equal(f->calls_b, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(dispatches_what_is_ready),           TEST(reports_what_epoll_refuses),
        TEST(a_callback_frees_itself_and_others), TEST(a_replaced_watch_gets_no_stale_event),
        TEST(a_muted_watch_gets_no_stale_event),  TEST(runs_until_stopped),
        TEST(a_callback_frees_the_loop),          TEST(rounds_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
