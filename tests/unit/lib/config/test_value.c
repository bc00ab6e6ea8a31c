#include "tests/unit/lib/config/scratch.h"

#include "common/redact.h"

static struct hx_config *fresh(void) {
    struct hx_config *c = hx_alloc(sizeof *c);
    struct hx_config_error e;
    assert_int_equal(hx_load_defaults(c, &e), 0);
    return c;
}

static void takes(void **s) {
    (void)s;
    static const struct {
        enum hx_key key;
        const char *text, *canonical;
        int64_t number;
    } samples[] = {
        { HX_WORKER_SLOTS, "007", "7", 7 },
        { HX_WORKER_SLOTS, "1024", "1024", 1024 },
        { HX_KAFKA_REPLICATION_FACTOR, "-1", "-1", -1 },
        { HX_POSTGRES_PORT, "5433", "5433", 5433 },
        { HX_POSTGRES_PORT, "5433,1,65535", "5433,1,65535", 5433 },
        { HX_JOBS_TIMEOUT, "60s", "1m", 60000 },
        { HX_SCHEDULER_RETENTION, "0", "0", 0 },
        { HX_JOBS_MAX_PAYLOAD, "65536", "64K", 65536 },
        { HX_KAFKA_FOREIGN, "on", "on", 1 },
        { HX_KAFKA_FOREIGN, "TRUE", "on", 1 },
        { HX_KAFKA_FOREIGN, "yes", "on", 1 },
        { HX_KAFKA_FOREIGN, "1", "on", 1 },
        { HX_KAFKA_FOREIGN, "off", "off", 0 },
        { HX_KAFKA_FOREIGN, "False", "off", 0 },
        { HX_KAFKA_FOREIGN, "no", "off", 0 },
        { HX_KAFKA_FOREIGN, "0", "off", 0 },
        { HX_SERVICE_ENVIRONMENT, "production", "production", 4 },
        { HX_LOG_LEVEL_KEY, "debug", "debug", 4 },
        { HX_POSTGRES_SSLMODE, "verify-full", "verify-full", 5 },
        { HX_POSTGRES_USER, "M\xc3\xbcller x", "M\xc3\xbcller x", 0 },
        { HX_POSTGRES_USER, "", NULL, 0 },
        { HX_POSTGRES_PASSWORD, "a\tb", "a\tb", 0 },
    };
    _cleanup_config_ struct hx_config *c = fresh();
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        struct hx_config_error e = { "" };
        int r = hx_value_set(c, samples[i].key, samples[i].text, HX_ORIGIN_FILE, "x:1", &e);
        if (r < 0 || !hx_streq(hx_config_string(c, samples[i].key), samples[i].canonical) ||
            hx_config_int(c, samples[i].key) != samples[i].number)
            fail_msg("%s = %s: %s", hx_config_key_name(samples[i].key), samples[i].text, e.message);
    }
}

static void refuses(void **s) {
    (void)s;
    static const struct {
        enum hx_key key;
        const char *text, *message;
    } samples[] = {
        { HX_POSTGRES_PORT, "99999",
          "environment PGPORT: postgres.port: Invalid PostgreSQL port: 99999 (must be 1-65535)" },
        { HX_POSTGRES_PORT, "0", "environment PGPORT: postgres.port: Invalid PostgreSQL port: 0 (must be 1-65535)" },
        { HX_POSTGRES_PORT, "1,x",
          "environment PGPORT: postgres.port: Invalid PostgreSQL port: 1,x (must be 1-65535)" },
        { HX_WORKER_SLOTS, "0", "environment PGPORT: Invalid worker.slots: 0 (must be 1-1024)" },
        { HX_WORKER_SLOTS, "4.5", "environment PGPORT: Invalid worker.slots: 4.5 (must be 1-1024)" },
        { HX_WORKER_SLOTS, "", "environment PGPORT: Invalid worker.slots:  (must be 1-1024)" },
        { HX_WORKER_SLOTS, "18446744073709551617",
          "environment PGPORT: Invalid worker.slots: 18446744073709551617 (must be 1-1024)" },
        { HX_KAFKA_REPLICATION_FACTOR, "0",
          "environment PGPORT: Invalid kafka.replication_factor: 0 (must be -1 (the broker's), or 1 and more)" },
        { HX_WORKER_LEASE, "15",
          "environment PGPORT: Invalid worker.lease: 15 (must be a duration such as \"30s\", 1s to 1h)" },
        { HX_WORKER_LEASE, "999ms",
          "environment PGPORT: Invalid worker.lease: 999ms (must be a duration such as \"30s\", 1s to 1h)" },
        { HX_KAFKA_FOREIGN, "maybe", "environment PGPORT: Invalid kafka.foreign: maybe (must be on or off)" },
        { HX_API_AUTH, "Token", "environment PGPORT: Invalid api.auth: Token (must be token or none)" },
        { HX_API_AUTH, "token none", "environment PGPORT: Invalid api.auth: token none (must be token or none)" },
        { HX_API_AUTH, "", "environment PGPORT: Invalid api.auth:  (must be token or none)" },
        { HX_KAFKA_BROKERS, "u:p@h:9092,x@b",
          "environment PGPORT: kafka.brokers: Invalid Kafka brokers: ***@h:9092,***@b (must be host[:port] with ports "
          "1-65535, commas "
          "between several)" },
        { HX_KAFKA_PROPERTIES, "sasl.password:hunter22",
          "environment PGPORT: Invalid kafka.properties: sasl.password*** (must be properties as \"name=value\")" },
        { HX_POSTGRES_HOST, "a\nb",
          "environment PGPORT: postgres.host: Invalid PostgreSQL host: a?b (must be a string)" },
        { HX_POSTGRES_PASSWORD, "geheim\xff",
          "environment PGPORT: postgres.password: Invalid PostgreSQL password: *** (must be a string)" },
        { HX_REDIS_URL, "http://u:geheimnis@h",
          "environment PGPORT: Invalid redis.url: http://***@h (must be a URL: redis://HOST or rediss://HOST)" },
    };
    _cleanup_config_ struct hx_config *c = fresh();
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        struct hx_config_error e = { "" };
        struct hx_value before = c->values[samples[i].key];
        assert_int_equal(hx_value_set(c, samples[i].key, samples[i].text, HX_ORIGIN_OLD_NAME, "environment PGPORT", &e),
                         -EINVAL);
        assert_string_equal(e.message, samples[i].message);
        assert_memory_equal(&before, &c->values[samples[i].key], sizeof before);
    }
}

static void check_list(const char *text, const char *const *wanted) {
    _cleanup_config_ struct hx_config *c = fresh();
    struct hx_config_error e;
    assert_int_equal(hx_value_set(c, HX_KAFKA_PROPERTIES, text, HX_ORIGIN_FILE, "x:1", &e), 0);
    size_t n, i = 0;
    const char *const *list = hx_config_list(c, HX_KAFKA_PROPERTIES, &n);
    for (; wanted[i]; i++)
        assert_string_equal(list[i], wanted[i]);
    assert_int_equal(n, i);
    assert_null(list[n]);
}

static void lists_from_text(void **s) {
    (void)s;
    check_list("", (const char *const[]){ NULL });
    check_list(" a=b ", (const char *const[]){ "a=b", NULL });
    check_list("a=b,c.d=e;f=g\n h=i ", (const char *const[]){ "a=b", "c.d=e", "f=g", "h=i", NULL });
    check_list("ssl.cipher.suites=A,B:C, security.protocol=SSL,",
               (const char *const[]){ "ssl.cipher.suites=A,B:C", "security.protocol=SSL", NULL });
    _cleanup_config_ struct hx_config *c = fresh();
    struct hx_config_error e;
    assert_int_equal(hx_value_set(c, HX_KAFKA_PROPERTIES, "nonsense", HX_ORIGIN_FILE, "x:1", &e), -EINVAL);
    assert_string_equal(e.message, "x:1: Invalid kafka.properties: nonsense (must be properties as \"name=value\")");
}

static void secrets_are_redacted(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *c = fresh();
    struct hx_config_error e;
    hx_value_set(c, HX_POSTGRES_PASSWORD, "open-sesame-1", HX_ORIGIN_FILE, "x:1", &e);
    hx_value_set(c, HX_REDIS_URL, "redis://user:open-sesame-2@h/0", HX_ORIGIN_FILE, "x:1", &e);
    hx_value_set(c, HX_KAFKA_PROPERTIES, "sasl.password=open-sesame-3,ssl.key.password=open-sesame-4,client.id=visible",
                 HX_ORIGIN_FILE, "x:1", &e);
    for (int i = 1; i <= 4; i++) {
        _cleanup_free_ char *line = hx_printf("it is open-sesame-%d!", i), *redacted = hx_redacted(line);
        assert_string_equal(redacted, "it is ***!");
    }
    _cleanup_free_ char *other = hx_redacted("it is visible");
    assert_string_equal(other, "it is visible");
    hx_value_redact_url("no url");
    hx_value_redact_url("http://host:80/a:b@c");
    _cleanup_free_ char *path = hx_redacted("80/a:b");
    assert_string_equal(path, "80/a:b");
}

static void secret_properties(void **s) {
    (void)s;
    assert_true(hx_value_secret_property("sasl.password=x"));
    assert_true(hx_value_secret_property("ssl.key.password=x"));
    assert_true(hx_value_secret_property("ssl.key.pem=x"));
    assert_true(hx_value_secret_property("sasl.oauthbearer.client.secret=x"));
    assert_true(hx_value_secret_property("sasl.oauthbearer.config=x"));
    assert_false(hx_value_secret_property("sasl.oauthbearer.token.endpoint.url=x"));
    assert_false(hx_value_secret_property("client.id=password"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(lists_from_text),
        cmocka_unit_test(secrets_are_redacted),
        cmocka_unit_test(secret_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
