/* Whatever becomes of a connection, nobody waits for it but the loop, and that in epoll_wait: what else could put the thread to sleep is
 * ours here, libpq's calls included. Handlers' timeouts and leases hang on it. */
#include "tests/unit/lib/pg/live.h"

#include "tests/unit/lib/pg/fake_server.h"

#include <dlfcn.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static __thread bool watched;
static const char *waited; /* the first call that would have */

static void note(const char *call) {
    if (watched && !waited)
        waited = call;
}

/* With a timeout of 0 it only looks, as libpq does. */
int poll(struct pollfd *fds, nfds_t n, int timeout) {
    int (*real)(struct pollfd *, nfds_t, int);
    *(void **)&real = dlsym(RTLD_NEXT, "poll");
    if (timeout)
        note("poll");
    return real(fds, n, timeout);
}

int select(int n, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout) {
    int (*real)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
    *(void **)&real = dlsym(RTLD_NEXT, "select");
    if (!timeout || timeout->tv_sec || timeout->tv_usec)
        note("select");
    return real(n, reads, writes, excepts, timeout);
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *t, struct timespec *left) {
    (void)id, (void)flags, (void)t, (void)left;
    note("clock_nanosleep");
    return 0;
}

int nanosleep(const struct timespec *t, struct timespec *left) {
    (void)t, (void)left;
    note("nanosleep");
    return 0;
}

int usleep(useconds_t us) {
    (void)us;
    note("usleep");
    return 0;
}

unsigned sleep(unsigned s) {
    (void)s;
    note("sleep");
    return 0;
}

static int begin(void **state) {
    (void)state;
    waited = NULL;
    watched = true;
    return 0;
}

static int end(void **state) {
    (void)state;
    watched = false;
    if (waited)
        print_error("%s was called\n", waited);
    return waited ? -1 : 0;
}

static void open_at(struct live *l, const char *port) {
    const char *keywords[] = { "host", "port", "sslmode", "gssencmode", "user", NULL };
    const char *values[] = { "127.0.0.1", port, "disable", "disable", "postgres", NULL };
    live_open(l, &(struct hx_pg_options){ .keywords = keywords, .values = values, .timeout_ms = 50 });
}

static void nobody_listens(void **state) {
    (void)state;
    char port[8];
    struct live l;
    int nobody = fake_refuse(port);
    open_at(&l, port);
    LIVE_UNTIL(&l, l.downs);
    live_close(&l);
    close(nobody);
}

static void nobody_answers(void **state) {
    (void)state;
    struct fake f = { 0 };
    struct live l;
    fake_start(&f);
    open_at(&l, f.port);
    LIVE_UNTIL(&l, l.downs);
    assert_string_equal(l.why.message, "no connection within 50 ms");
    live_close(&l);
    fake_stop(&f);
}

static void somebody_else_answers(void **state) {
    (void)state;
    struct fake f = { .answer = "HTTP/1.1 400 Bad Request\r\n\r\n", .answer_len = 28 };
    struct live l;
    fake_start(&f);
    open_at(&l, f.port);
    LIVE_UNTIL(&l, l.downs);
    live_close(&l);
    fake_stop(&f);
}

static void a_server_that_hangs_up_and_is_back(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt leave = { "leave", "select count(pg_terminate_backend(pg_backend_pid()))" };
    static const struct hx_pg_stmt one = { "one", "select 1::int8" };
    struct live l;
    struct outcome o;
    live_open(&l, &(struct hx_pg_options){ .timeout_ms = 20000 });
    assert_int_equal(live_run(&l, &leave, &o), HX_PG_UNAVAILABLE);
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OK);
    assert_int_equal(l.ups, 2);
    live_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_listens, begin, end),
        cmocka_unit_test_setup_teardown(nobody_answers, begin, end),
        cmocka_unit_test_setup_teardown(somebody_else_answers, begin, end),
        cmocka_unit_test_setup_teardown(a_server_that_hangs_up_and_is_back, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
