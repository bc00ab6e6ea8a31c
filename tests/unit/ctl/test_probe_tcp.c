/* Connecting to what is only connected to, with name servers that answer as they are told. */
#include "ctl/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the resolver, in the place of libc's ---- */

static const char *addresses[2]; /* of every name; none: */
static int resolver_error, cancel_result;
static struct gaicb *asked;

int getaddrinfo_a(int mode, struct gaicb *list[], int n, struct sigevent *event) {
    (void)mode, (void)event;
    assert_int_equal(n, 1);
    asked = list[0];
    for (size_t i = HX_ARRAY_LEN(addresses); i-- > 0;) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
        struct addrinfo *one = NULL;
        if (!addresses[i])
            continue;
        assert_int_equal(getaddrinfo(addresses[i], asked->ar_service, &hints, &one), 0);
        one->ai_next = asked->ar_result;
        asked->ar_result = one;
    }
    return 0;
}

int gai_suspend(const struct gaicb *const list[], int n, const struct timespec *limit) {
    (void)list, (void)n, (void)limit;
    return 0;
}

int gai_error(struct gaicb *request) {
    (void)request;
    return resolver_error;
}

int gai_cancel(struct gaicb *request) {
    (void)request;
    return cancel_result;
}

/* ---- how long it waits for each address ---- */

static int waits[2];
static size_t waits_count;

int poll(struct pollfd *fds, nfds_t n, int timeout_ms) {
    if (waits_count < HX_ARRAY_LEN(waits))
        waits[waits_count++] = timeout_ms;
    return ppoll(fds, n, &(struct timespec){ .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L },
                 NULL);
}

/* ---- tests ---- */

enum { TIMEOUT_MS = 20000 };

static int begin(void **state) {
    (void)state;
    addresses[0] = "127.0.0.1";
    addresses[1] = NULL;
    resolver_error = 0;
    return clearenv();
}

/* A port of 127.0.0.1 that refuses, until its socket listens. */
static int a_port(char ret_port[16]) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(ret_port, 16, "%d", ntohs(address.sin_port));
    return fd;
}

static void urls(void **s) {
    (void)s;
    static const struct {
        const char *url, *host, *port; /* host NULL: refused */
    } cases[] = {
        { "redis://localhost", "localhost", "1" },
        { "redis://localhost:6380/0", "localhost", "6380" },
        { "redis://user:p@ss:w@10.0.0.1:6380/0", "10.0.0.1", "6380" },
        { "http://[::1]:80/x", "::1", "80" },
        { "http://[::1]/", "::1", "1" },
        { "https://example.org?x=:9", "example.org", "1" },
        { "example.org:9", "example.org", "9" },
        { "http://", NULL, NULL },
        { "http://[::1", NULL, NULL },
        { "http://[::1]x", NULL, NULL },
        { "http://a:12345678901234567890", NULL, NULL },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct url_parts parts = { 0 };
        int r = probe_parse_url(cases[i].url, "1", &parts);
        assert_int_equal(r, cases[i].host ? 0 : -EINVAL);
        if (r < 0)
            continue;
        assert_string_equal(parts.host, cases[i].host);
        assert_string_equal(parts.port, cases[i].port);
    }
}

static void check_connect_within(int timeout_ms, const char *port, int expected, const char *expected_why) {
    const char *why = NULL;
    waits_count = 0;
    assert_int_equal(probe_connect("a.name", port, timeout_ms, &why), expected);
    assert_int_equal(why != NULL, expected_why != NULL);
    if (why)
        assert_string_equal(why, expected_why);
}

static void check_connect(const char *port, int expected, const char *expected_why) {
    check_connect_within(TIMEOUT_MS, port, expected, expected_why);
}

static void connects(void **s) {
    (void)s;
    char port[16];
    int fd = a_port(port);
    check_connect(port, -ECONNREFUSED, "Connection refused");
    assert_int_equal(listen(fd, 8), 0);
    check_connect(port, 0, NULL);
    addresses[0] = "127.1.2.3"; /* nobody listens there: the next one may */
    addresses[1] = "127.0.0.1";
    check_connect(port, 0, NULL);
    close(fd);
}

/* A socket whose queue is full: the kernel drops what else comes. */
static void an_address_that_is_silent(void **s) {
    (void)s;
    char port[16];
    int fd = a_port(port), silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &(socklen_t){ sizeof at }), 0);
    inet_pton(AF_INET, "127.1.2.3", &at.sin_addr);
    assert_int_equal(bind(silent, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(silent, 0), 0);
    int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(first, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    addresses[0] = "127.1.2.3";
    check_connect_within(500, port, -ETIMEDOUT, "Connection timed out");
    addresses[1] = "127.0.0.1";
    check_connect_within(1000, port, 0, NULL);
    assert_in_range(waits[0], 0, 500); /* the other half is the next one's */
    close(first);
    close(silent);
    close(fd);
}

/* Not "No route to host": whoever reads that looks for the mistake in the network. */
static void a_name_that_nobody_knows(void **s) {
    (void)s;
    addresses[0] = NULL;
    resolver_error = EAI_NONAME;
    check_connect("1", -EHOSTUNREACH, gai_strerror(EAI_NONAME));
    resolver_error = EAI_AGAIN;
    check_connect("1", -EHOSTUNREACH, gai_strerror(EAI_AGAIN));
}

static void a_name_server_that_is_silent(void **s) {
    (void)s;
    addresses[0] = NULL;
    resolver_error = EAI_INPROGRESS;
    cancel_result = EAI_CANCELED;
    check_connect("1", -ETIMEDOUT, "Connection timed out");
    cancel_result = EAI_NOTCANCELED; /* it is being asked: what was asked stays where it is */
    check_connect("1", -ETIMEDOUT, "Connection timed out");
    assert_string_equal(asked->ar_name, "a.name");
    free((char *)asked->ar_name);
    free((char *)asked->ar_service);
    free(asked);
}

/* What is found with that in the environment. */
static struct doctor probed(const char *redis, const char *qdrant, const char *gcs) {
    struct ctl ctl = { 0 };
    struct doctor d = { .ctl = &ctl };
    struct hx_config *config;
    struct hx_config_error error;
    setenv("REDIS_URL", redis, 1);
    setenv("QDRANT_URL", qdrant, 1);
    if (gcs)
        setenv("GCS_ENDPOINT", gcs, 1);
    assert_int_equal(hx_config_load("/dev/null", &config, &error), 0);
    ctl.config = config;
    probe_others(&d);
    hx_config_free(config);
    d.ctl = NULL;
    return d;
}

static void check_finding(const struct doctor *d, size_t i, const char *name, enum finding_state state,
                          const char *what) {
    assert_true(i < d->count);
    assert_string_equal(d->findings[i].name, name);
    assert_int_equal(d->findings[i].state, state);
    assert_string_equal(d->findings[i].what, what);
    assert_int_equal(d->findings[i].mend != NULL, state == FINDING_FAILURE);
}

static void what_is_not_configured_is_not_looked_for(void **s) {
    (void)s;
    struct doctor d = probed("", "", NULL);
    assert_int_equal(d.count, 0);
}

/* What is wrong is said by host and port: a URL may hold a password. */
static void each_is_found_or_not(void **s) {
    (void)s;
    char port[16], refusing[16];
    int fd = a_port(port), mute = a_port(refusing);
    assert_int_equal(listen(fd, 8), 0);
    _cleanup_free_ char *redis = hx_printf("redis://u:secret@here:%s/0", port);
    _cleanup_free_ char *gcs = hx_printf("http://storage:%s/", refusing);
    _cleanup_free_ char *found = hx_printf("connects to here:%s", port);
    _cleanup_free_ char *refused = hx_printf("storage:%s: Connection refused", refusing);
    struct doctor d = probed(redis, "http://u:secret@[::1/", gcs);
    assert_int_equal(d.count, 3);
    check_finding(&d, 0, "redis", FINDING_OK, found);
    check_finding(&d, 1, "qdrant", FINDING_FAILURE, "its URL names no host and port to connect to");
    check_finding(&d, 2, "gcs", FINDING_FAILURE, refused);
    close(fd);
    close(mute);
    doctor_reset(&d);
}

static void ports_that_urls_leave_out(void **s) {
    (void)s;
    static const struct {
        const char *redis, *qdrant, *gcs;
        const char *ports[3];
    } cases[] = {
        { "redis://here", "http://here", "http://here", { "6379", "6333", "80" } },
        { "REDISS://here", "https://here", "https://here", { "6379", "6333", "443" } },
        { "redis://here/0", "http://here/", "HTTPS://here/", { "6379", "6333", "443" } },
    };
    addresses[0] = NULL;
    resolver_error = EAI_NONAME;
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct doctor d = probed(cases[i].redis, cases[i].qdrant, cases[i].gcs);
        assert_int_equal(d.count, 3);
        for (size_t k = 0; k < 3; k++) {
            _cleanup_free_ char *start = hx_printf("here:%s: ", cases[i].ports[k]);
            assert_int_equal(strncmp(d.findings[k].what, start, strlen(start)), 0);
        }
        doctor_reset(&d);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(urls),
        TEST(connects),
        TEST(an_address_that_is_silent),
        TEST(a_name_that_nobody_knows),
        TEST(a_name_server_that_is_silent),
        TEST(what_is_not_configured_is_not_looked_for),
        TEST(each_is_found_or_not),
        TEST(ports_that_urls_leave_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
