#include "tests/unit/lib/config/scratch.h"

#include "lib/config/checks.h"

/* Both lists end in NULL. */
static void check(const char *(*rule)(const char *), const char *const *good, const char *const *bad) {
    for (; *good; good++)
        if (rule(*good))
            fail_msg("\"%s\" is refused: must be %s", *good, rule(*good));
    for (; *bad; bad++)
        if (!rule(*bad))
            fail_msg("\"%s\" is taken", *bad);
}

static void names(void **s) {
    (void)s;
    check(hx_check_name, (const char *const[]){ "a", "A-b_c.9", NULL },
          (const char *const[]){ "a b", "a/b", "\xc3\xa4", "a:b", NULL });
}

static void brokers(void **s) {
    (void)s;
    check(hx_check_brokers,
          (const char *const[]){ "a", "a:9092", "a:1, b:65535 ,c", "[::1]:9092", "[::1]", "PLAINTEXT://a:9092", NULL },
          (const char *const[]){ "", ",", "a,", "a:0", "a:65536", "a:", ":9092", "a:9x", "a b:1", "::1", "[]:1",
                                 "[::1:1", "[::1]x", "a:-1", "a:+1", NULL });
}

static void replication(void **s) {
    (void)s;
    check(hx_check_replication, (const char *const[]){ "-1", "1", "3", NULL }, (const char *const[]){ "0", NULL });
}

static void properties(void **s) {
    (void)s;
    check(hx_check_property, (const char *const[]){ "a=b", "a.b-c_1=", "a==", NULL },
          (const char *const[]){ "", "a", "=b", "a b=c", NULL });
}

static void paths(void **s) {
    (void)s;
    char longest[109];
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[108] = '\0';
    check(hx_check_absolute_path, (const char *const[]){ "/a", "/run/heimdex/control", NULL },
          (const char *const[]){ "", "/", "a", "./a", "/a/", longest, NULL });
    longest[107] = '\0';
    assert_null(hx_check_absolute_path(longest));
}

static void listen_addresses(void **s) {
    (void)s;
    check(hx_check_listen,
          (const char *const[]){ "127.0.0.1:8080", "0.0.0.0:0", "[::1]:80", "[::]:80", "localhost:65535", NULL },
          (const char *const[]){ "", "8080", "127.0.0.1", ":80", "::1:80", "[::1]", "a:65536", "a:", "a b:1", NULL });
}

static void urls(void **s) {
    (void)s;
    check(hx_check_redis_url, (const char *const[]){ "redis://h", "rediss://:pw@h:6379/0", "REDIS://h", NULL },
          (const char *const[]){ "", "h:6379", "http://h", "redis://", "redis:///0", "redis://a b", NULL });
    check(hx_check_http_url,
          (const char *const[]){ "http://h", "https://h:6333/x?y=1", "http://u:pw@h:80/", "http://h/a@:", NULL },
          (const char *const[]){ "", "h", "ftp://h", "http://", "https:///x", "http://?x", "http://a\\b", "http://:80/",
                                 "http://u:pw@:80/", "http://u@", NULL });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),      cmocka_unit_test(brokers), cmocka_unit_test(replication),
        cmocka_unit_test(properties), cmocka_unit_test(paths),   cmocka_unit_test(listen_addresses),
        cmocka_unit_test(urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
