#include "tests/unit/lib/config/scratch.h"

#include <ctype.h>

/* The rows themselves: what the compiler can't check. */
static void rows_are_complete(void **s) {
    (void)s;
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_row *row = &hx_table[key];
        if (!row->name || !row->help)
            fail_msg("row %d has no name or no help", key);
        const char *dot = strchr(row->name, '.');
        assert_non_null(dot);
        assert_null(strchr(dot + 1, '.'));
        for (const char *p = row->name; *p; p++)
            assert_true(islower((unsigned char)*p) || *p == '.' || *p == '_');
        assert_int_equal(hx_table_find(row->name), key); /* no name twice */
        assert_true(row->min <= row->max);
        assert_int_equal(row->type == HX_TYPE_ENUM, row->choices != NULL);
        assert_false(row->fallback && row->computed);
        if (row->type == HX_TYPE_INT)
            assert_true(row->max > row->min);
        if (row->environment_only)
            assert_non_null(row->old_name);
        assert_null(strchr(row->help, '|')); /* it stands in a Markdown table */
    }
}

static void defaults_are_the_interface(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *c = load("");
    static const struct {
        enum hx_key key;
        const char *text;
        int64_t number;
    } wanted[] = {
        { HX_SERVICE_ENVIRONMENT, "local", 0 },
        { HX_SERVICE_VERSION, HX_VERSION, 0 },
        { HX_SERVICE_INSTANCE, "main", 0 },
        { HX_POSTGRES_HOST, NULL, 0 },
        { HX_POSTGRES_PORT, NULL, 0 },
        { HX_POSTGRES_USER, NULL, 0 },
        { HX_POSTGRES_PASSWORD, NULL, 0 },
        { HX_POSTGRES_DBNAME, NULL, 0 },
        { HX_POSTGRES_SSLMODE, NULL, 0 },
        { HX_POSTGRES_POOL, "5", 5 },
        { HX_POSTGRES_POOL_OVERFLOW, "10", 10 },
        { HX_POSTGRES_TIMEOUT, "10s", 10000 },
        { HX_POSTGRES_PREPARED_STATEMENTS, "on", 1 },
        { HX_KAFKA_BROKERS, "127.0.0.1:9092", 0 },
        { HX_KAFKA_TOPIC_PREFIX, "heimdex", 0 },
        { HX_KAFKA_PARTITIONS, "6", 6 },
        { HX_KAFKA_REPLICATION_FACTOR, "-1", -1 },
        { HX_KAFKA_FOREIGN, "off", 0 },
        { HX_SUPERVISOR_DRAIN_TIMEOUT, "30s", 30000 },
        { HX_SUPERVISOR_RESTART_BACKOFF_MAX, "10s", 10000 },
        { HX_SUPERVISOR_CONTROL_SOCKET, "/run/heimdex/control", 0 },
        { HX_SUPERVISOR_SCHEDULERS, "1", 1 },
        { HX_WORKER_SLOTS, "16", 16 },
        { HX_WORKER_LEASE, "15s", 15000 },
        { HX_WORKER_BATCH, "1000", 1000 },
        { HX_SCHEDULER_RETENTION, "30d", INT64_C(2592000000) },
        { HX_API_LISTEN, "127.0.0.1:8080", 0 },
        { HX_API_AUTH, "token", 0 },
        { HX_JOBS_MAX_ATTEMPTS, "5", 5 },
        { HX_JOBS_TIMEOUT, "5m", 300000 },
        { HX_JOBS_BACKOFF_BASE, "1s", 1000 },
        { HX_JOBS_BACKOFF_MAX, "10m", 600000 },
        { HX_JOBS_KILL_GRACE, "5s", 5000 },
        { HX_JOBS_MAX_CRASHES, "3", 3 },
        { HX_JOBS_MAX_PAYLOAD, "1M", 1 << 20 },
        { HX_LOG_FORMAT_KEY, "auto", 0 },
        { HX_LOG_LEVEL_KEY, "info", 3 },
        { HX_LOG_HEARTBEAT, "20s", 20000 },
        { HX_REDIS_URL, NULL, 0 },
        { HX_QDRANT_URL, NULL, 0 },
        { HX_GCS_ENDPOINT, NULL, 0 },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(wanted); i++) {
        if (!hx_streq(hx_config_string(c, wanted[i].key), wanted[i].text) ||
            hx_config_int(c, wanted[i].key) != wanted[i].number)
            fail_msg("%s", hx_config_key_name(wanted[i].key));
    }
    size_t n = 42;
    assert_non_null(hx_config_list(c, HX_KAFKA_PROPERTIES, &n));
    assert_int_equal(n, 0);
    assert_int_equal(hx_config_int(c, HX_SUPERVISOR_WORKERS), sysconf(_SC_NPROCESSORS_ONLN));
    assert_int_equal(HX_ARRAY_LEN(wanted) + 2, HX_KEYS); /* the two above */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_complete),
        scratch_test(defaults_are_the_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
