#include "tests/unit/lib/config/scratch.h"

#include "common/redact.h"

static void check_password(const char *password, const char *where) {
    _cleanup_config_ struct hx_config *c = load("postgres = { password = \"from-file\"; };");
    assert_string_equal(hx_config_string(c, HX_POSTGRES_PASSWORD), password);
    const char *got = c->values[HX_POSTGRES_PASSWORD].where, *at = strstr(got, scratch);
    if (at) { /* the folder's name is random */
        assert_true(hx_startswith(got, "secret file ") || at == got);
        got = at + strlen(scratch);
    }
    assert_string_equal(got, where);
    _cleanup_free_ char *redacted = hx_redacted(password);
    assert_string_equal(redacted, "***");
}

static void order(void **s) {
    (void)s;
    check_password("from-file", "/main.conf:1");
    setenv("HEIMDEX_POSTGRES_PASSWORD", "from-new-name", 1);
    check_password("from-new-name", "environment HEIMDEX_POSTGRES_PASSWORD");
    setenv("PGPASSWORD", "from-old-name", 1);
    check_password("from-old-name", "environment PGPASSWORD");
    put("secrets/pgpassword/pgpassword", " \n from secrets \t\n");
    check_password("from secrets", "/secrets/pgpassword/pgpassword");
    put("credentials/pgpassword", "from-credentials");
    setenv("CREDENTIALS_DIRECTORY", in_scratch("credentials"), 1);
    check_password("from-credentials", "/credentials/pgpassword");
    put("credentials/pgpassword", " \n"); /* empty: as if not there */
    check_password("from secrets", "/secrets/pgpassword/pgpassword");
    setenv("CREDENTIALS_DIRECTORY", in_scratch("none"), 1);
    check_password("from secrets", "/secrets/pgpassword/pgpassword");
}

static void kafka_password(void **s) {
    (void)s;
    put("secrets/kafka-sasl-password/kafka-sasl-password", "from-secrets\n");
    size_t n;
    {
        _cleanup_config_ struct hx_config *c = load("");
        const char *const *list = hx_config_list(c, HX_KAFKA_PROPERTIES, &n);
        assert_int_equal(n, 1);
        assert_string_equal(list[0], "sasl.password=from-secrets");
    }
    setenv("KAFKA_SASL_PASSWORD", "from-variable", 1); /* the file is first */
    const char *content = "kafka = { properties = [\"a=b\", \"sasl.password=from-file\", \"c=d\"]; };";
    {
        _cleanup_config_ struct hx_config *c = load(content);
        const char *const *list = hx_config_list(c, HX_KAFKA_PROPERTIES, &n);
        assert_int_equal(n, 3);
        assert_string_equal(list[0], "a=b");
        assert_string_equal(list[1], "c=d");
        assert_string_equal(list[2], "sasl.password=from-secrets");
        assert_non_null(strstr(c->values[HX_KAFKA_PROPERTIES].where, "/main.conf:1, secret file "));
    }
    unlink(in_scratch("secrets/kafka-sasl-password/kafka-sasl-password"));
    _cleanup_config_ struct hx_config *c = load(content);
    assert_string_equal(hx_config_list(c, HX_KAFKA_PROPERTIES, &n)[2], "sasl.password=from-variable");
    assert_non_null(strstr(c->values[HX_KAFKA_PROPERTIES].where, ", environment KAFKA_SASL_PASSWORD"));
}

static void redis_url(void **s) {
    (void)s;
    setenv("REDIS_URL", "redis://variable", 1);
    put("secrets/redis-url/redis-url", "redis://:hidden-word@h\n");
    _cleanup_config_ struct hx_config *c = load("");
    assert_string_equal(hx_config_string(c, HX_REDIS_URL), "redis://:hidden-word@h");
    _cleanup_free_ char *redacted = hx_redacted("the hidden-word");
    assert_string_equal(redacted, "the ***");
    put("secrets/redis-url/redis-url", "nonsense");
    put("main.conf", "");
    const char *message = complaint_of(in_scratch("main.conf"), -EINVAL);
    assert_string_equal(message, "secret file /secrets/redis-url/redis-url: Invalid redis.url: *** (must be a URL: "
                                 "redis://HOST or rediss://HOST)");
}

static void unreadable_is_a_warning(void **s) {
    (void)s;
    mkdir(in_scratch("secrets"), 0700);
    mkdir(in_scratch("secrets/pgpassword"), 0700);
    mkdir(in_scratch("secrets/pgpassword/pgpassword"), 0700);
    _cleanup_config_ struct hx_config *c = load("postgres = { password = \"from-file\"; };");
    assert_string_equal(hx_config_string(c, HX_POSTGRES_PASSWORD), "from-file");
    size_t n;
    const char *const *warnings = hx_config_warnings(c, &n);
    assert_int_equal(n, 1);
    assert_non_null(strstr(warnings[0], "/secrets/pgpassword/pgpassword: Is a directory, ignoring"));
    rmdir(in_scratch("secrets/pgpassword/pgpassword"));
    mkfifo(in_scratch("secrets/pgpassword/pgpassword"), 0600);
    _cleanup_config_ struct hx_config *pipe = load("");
    assert_non_null(
        strstr(hx_config_warnings(pipe, &n)[0], "pgpassword: a pipe or a socket, must be a file, ignoring"));
    unlink(in_scratch("secrets/pgpassword/pgpassword"));
    put_bytes("secrets/pgpassword/pgpassword", "a\0b", 3);
    _cleanup_config_ struct hx_config *binary = load("");
    assert_int_equal(binary->warning_count, 1);
    assert_null(hx_config_string(binary, HX_POSTGRES_PASSWORD));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(order),
        scratch_test(kafka_password),
        scratch_test(redis_url),
        scratch_test(unreadable_is_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
