#include "tests/unit/lib/config/scratch.h"

static void every_key_has_its_variable(void **s) {
    (void)s;
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_row *row = &hx_table[key];
        _cleanup_buf_ struct hx_buf variable = { 0 };
        hx_table_variable((enum hx_key)key, &variable);
        const char *text = row->type == HX_TYPE_INT        ? "1"
                           : row->type == HX_TYPE_PORT     ? "1"
                           : row->type == HX_TYPE_BOOL     ? "on"
                           : row->type == HX_TYPE_DURATION ? "1m"
                           : row->type == HX_TYPE_SIZE     ? "4K"
                           : row->type == HX_TYPE_LIST     ? "a=b"
                           : row->type == HX_TYPE_ENUM     ? NULL
                                                           : "x";
        _cleanup_free_ char *first = row->choices ? hx_strndup(row->choices, strcspn(row->choices, " ")) : NULL;
        text = first ? first : text;
        if (row->environment_only)
            text = key == HX_REDIS_URL ? "redis://h" : "http://h";
        if (key == HX_API_LISTEN)
            text = "[::1]:9";
        if (key == HX_SUPERVISOR_CONTROL_SOCKET)
            text = "/x";
        setenv(variable.data, text, 1);
        _cleanup_config_ struct hx_config *c = load("");
        _cleanup_free_ char *where = hx_printf("environment %s", variable.data);
        assert_string_equal(c->values[key].where, where);
        if (row->type != HX_TYPE_LIST)
            assert_string_equal(c->values[key].text, text);
        assert_int_equal(c->warning_count, 0);
        unsetenv(variable.data);
    }
}

static void environment_wins_over_file(void **s) {
    (void)s;
    setenv("HEIMDEX_WORKER_SLOTS", "7", 1);
    setenv("HEIMDEX_KAFKA_PROPERTIES", "a=b,c=d", 1);
    setenv("HEIMDEX_WORKER_LEASE", "", 1); /* as if unset */
    _cleanup_config_ struct hx_config *c =
        load("worker = { slots = 3; lease = \"40s\"; };\nkafka = { properties = [\"x=y\"]; };");
    size_t n;
    assert_int_equal(hx_config_int(c, HX_WORKER_SLOTS), 7);
    assert_int_equal(hx_config_int(c, HX_WORKER_LEASE), 40000);
    assert_string_equal(hx_config_list(c, HX_KAFKA_PROPERTIES, &n)[1], "c=d");
    assert_int_equal(n, 2);
    setenv("HEIMDEX_WORKER_SLOTS", "seven", 1);
    check_complaint("", "environment HEIMDEX_WORKER_SLOTS: Invalid worker.slots: seven (must be 1-1024)");
}

static void old_names(void **s) {
    (void)s;
    setenv("ENVIRONMENT", "staging", 1);
    setenv("VERSION", "1.2.3", 1);
    setenv("KAFKA_BROKERS", "k1:9092,k2:9092", 1);
    setenv("REDIS_URL", "redis://h:6379/0", 1);
    setenv("QDRANT_URL", "http://q:6333", 1);
    setenv("GCS_ENDPOINT", "http://g", 1);
    setenv("GCS_BUCKET", "whatever", 1);
    setenv("PGHOST", "pg", 1);
    setenv("PGPORT", "5433", 1);
    setenv("PGUSER", "u", 1);
    setenv("PGPASSWORD", "pw-from-environment", 1);
    setenv("PGDATABASE", "d", 1);
    setenv("PGSSLMODE", "require", 1);
    _cleanup_config_ struct hx_config *c = load("postgres = { host = \"file\"; sslmode = \"disable\"; };");
    static const struct {
        enum hx_key key;
        const char *text;
    } wanted[] = {
        { HX_SERVICE_ENVIRONMENT, "staging" },
        { HX_SERVICE_VERSION, "1.2.3" },
        { HX_KAFKA_BROKERS, "k1:9092,k2:9092" },
        { HX_REDIS_URL, "redis://h:6379/0" },
        { HX_QDRANT_URL, "http://q:6333" },
        { HX_GCS_ENDPOINT, "http://g" },
        { HX_POSTGRES_HOST, "pg" },
        { HX_POSTGRES_PORT, "5433" },
        { HX_POSTGRES_USER, "u" },
        { HX_POSTGRES_PASSWORD, "pw-from-environment" },
        { HX_POSTGRES_DBNAME, "d" },
        { HX_POSTGRES_SSLMODE, "require" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(wanted); i++)
        assert_string_equal(hx_config_string(c, wanted[i].key), wanted[i].text);
    assert_int_equal(c->warning_count, 0);
    setenv("PGPORT", "99999", 1);
    check_complaint("", "environment PGPORT: postgres.port: Invalid PostgreSQL port: 99999 (must be 1-65535)");
}

static void old_against_new(void **s) {
    (void)s;
    setenv("ENVIRONMENT", "nonsense", 1); /* loses, so it isn't looked at */
    setenv("HEIMDEX_SERVICE_ENVIRONMENT", "dev", 1);
    setenv("PGHOST", "old", 1);
    setenv("HEIMDEX_POSTGRES_HOST", "new", 1);
    setenv("PGUSER", "", 1);
    setenv("HEIMDEX_POSTGRES_USER", "new", 1);
    _cleanup_config_ struct hx_config *c = load("");
    assert_string_equal(hx_config_string(c, HX_SERVICE_ENVIRONMENT), "dev");
    assert_string_equal(hx_config_string(c, HX_POSTGRES_HOST), "old"); /* PG* wins over everything */
    assert_string_equal(hx_config_string(c, HX_POSTGRES_USER), "new");
}

static void empty_means_not_probed(void **s) {
    (void)s;
    setenv("REDIS_URL", "", 1);
    setenv("HEIMDEX_QDRANT_URL", "", 1);
    _cleanup_config_ struct hx_config *c = load("");
    assert_null(hx_config_string(c, HX_REDIS_URL));
    assert_null(hx_config_string(c, HX_QDRANT_URL));
    assert_null(hx_config_string(c, HX_GCS_ENDPOINT));
}

static void unknown_names_warn(void **s) {
    (void)s;
    static const char *const reserved[] = {
        "HEIMDEX_CONFIG",  "HEIMDEX_KAFKA_PORT",   "HEIMDEX_JOB_ID",   "HEIMDEX_JOB_TYPE", "HEIMDEX_ORG_ID",
        "HEIMDEX_ATTEMPT", "HEIMDEX_MAX_ATTEMPTS", "HEIMDEX_FENCE",    "HEIMDEX_DEADLINE",
#ifdef HX_FAILPOINTS
        "HEIMDEX_FAIL",    "HEIMDEX_FAIL_ONCE",    "HEIMDEX_FAIL_LOG",
#endif
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(reserved); i++)
        setenv(reserved[i], "x", 1);
    setenv("HEIMDEX_WORKER_SLOTZ", "7", 1);
    setenv("HEIMDEX_EMPTY", "", 1);
    setenv("HEIMDEXX", "x", 1);
    _cleanup_config_ struct hx_config *c = load("");
    size_t n;
    const char *const *warnings = hx_config_warnings(c, &n);
    assert_int_equal(n, 1);
    assert_string_equal(warnings[0],
                        "environment HEIMDEX_WORKER_SLOTZ: unknown, ignoring; did you mean HEIMDEX_WORKER_SLOTS?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(every_key_has_its_variable),
        scratch_test(environment_wins_over_file),
        scratch_test(old_names),
        scratch_test(old_against_new),
        scratch_test(empty_means_not_probed),
        scratch_test(unknown_names_warn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
