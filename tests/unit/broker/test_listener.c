/* The address that the broker listens on: how it is written, and that the mock cluster's socket is put there. */
#include "broker/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void addresses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t host;
        int port;
    } cases[] = {
        { "127.0.0.1:9092", INADDR_LOOPBACK, 9092 },
        { "localhost:0", INADDR_LOOPBACK, 0 },
        { "10.1.2.3:65535", 0x0a010203, 65535 },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct sockaddr_in address;
        const char *why = NULL;
        assert_int_equal(hx_listener_parse(cases[i].text, &address, &why), 0);
        assert_int_equal(address.sin_family, AF_INET);
        assert_int_equal(ntohl(address.sin_addr.s_addr), cases[i].host);
        assert_int_equal(ntohs(address.sin_port), cases[i].port);
        assert_null(why);
    }
}

static void what_is_no_address(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "must be HOST:PORT" },
        { "9092", "must be HOST:PORT" },
        { ":9092", "must be HOST:PORT" },
        { "127.0.0.1:", "the port must be 0 to 65535" },
        { "127.0.0.1:65536", "the port must be 0 to 65535" },
        { "127.0.0.1:-1", "the port must be 0 to 65535" },
        { "127.0.0.1:9092x", "the port must be 0 to 65535" },
        { "example.org:9092", "the host must be an IPv4 address or localhost" },
        { "[::1]:9092", "the host must be an IPv4 address or localhost" },
        { "0.0.0.0:9092", "clients are sent to this address, so it can't be 0.0.0.0" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct sockaddr_in address = { 0 };
        const char *why = NULL;
        assert_int_equal(hx_listener_parse(cases[i].text, &address, &why), -EINVAL);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(address.sin_family, 0);
    }
}

/* As librdkafka makes one. The address that it then has. */
static struct sockaddr_in bound(int *ret_fd, struct sockaddr_in wanted) {
    socklen_t size = sizeof wanted;
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *)&wanted, size), 0);
    assert_int_equal(listen(*ret_fd, 5), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&wanted, &size), 0);
    return wanted;
}

/* 127.5.6.7 is an address of this host that nobody gets by chance. */
static void the_next_listener_is_there(void **state) {
    (void)state;
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct sockaddr_in other = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f080808) };
    struct sockaddr_in address;
    const char *why;
    int first, second, third;
    assert_int_equal(hx_listener_parse("127.5.6.7:0", &address, &why), 0);
    assert_int_equal(hx_listener_open(&address), 0);
    assert_int_equal(ntohl(bound(&first, other).sin_addr.s_addr),
                     0x7f080808); /* somebody else's, at an address of its own */
    struct sockaddr_in there = bound(&second, any);
    assert_int_equal(ntohl(there.sin_addr.s_addr), 0x7f050607);
    assert_int_not_equal(there.sin_port, 0);
    assert_int_equal(ntohl(bound(&third, any).sin_addr.s_addr), INADDR_LOOPBACK); /* one alone */
    assert_int_equal(hx_listener_open(&there), -EADDRINUSE);
    close(first);
    close(second);
    close(third);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(the_next_listener_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
