#include "tests/unit/lib/config/scratch.h"

static void finds(void **s) {
    (void)s;
    assert_int_equal(hx_table_find("worker.slots"), HX_WORKER_SLOTS);
    assert_int_equal(hx_table_find("worker.slot"), -1);
    assert_int_equal(hx_table_find("slots"), -1);
    assert_true(hx_table_has_section("worker"));
    assert_false(hx_table_has_section("work"));
    assert_false(hx_table_has_section("handlers"));
    assert_false(hx_table_has_section("redis")); /* environment only */
}

static void nearest(void **s) {
    (void)s;
    assert_int_equal(hx_table_nearest("worker.slotz"), HX_WORKER_SLOTS);
    assert_int_equal(hx_table_nearest("workr.slots"), HX_WORKER_SLOTS);
    assert_int_equal(hx_table_nearest("worker.workers"), HX_SUPERVISOR_WORKERS);
    assert_int_equal(hx_table_nearest("service.max_attempts"), HX_JOBS_MAX_ATTEMPTS);
    assert_int_equal(hx_table_nearest("postgres.databse"), HX_POSTGRES_DBNAME);
    assert_int_equal(hx_table_nearest("worker.timeout"), HX_POSTGRES_TIMEOUT); /* the first of two */
}

static void variables(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_table_variable(HX_SUPERVISOR_WORKERS, &b);
    assert_string_equal(b.data, "HEIMDEX_SUPERVISOR_WORKERS");
    hx_buf_clear(&b);
    hx_table_variable(HX_POSTGRES_POOL_OVERFLOW, &b);
    assert_string_equal(b.data, "HEIMDEX_POSTGRES_POOL_OVERFLOW");
}

static void expectations(void **s) {
    (void)s;
    static const struct {
        enum hx_key key;
        const char *text;
    } samples[] = {
        { HX_POSTGRES_PORT, "1-65535" },
        { HX_KAFKA_REPLICATION_FACTOR, "-1 to 1000" },
        { HX_SERVICE_ENVIRONMENT, "local, dev, test, staging or production" },
        { HX_API_AUTH, "token or none" },
        { HX_KAFKA_FOREIGN, "on or off" },
        { HX_WORKER_LEASE, "a duration such as \"30s\", 1s to 1h" },
        { HX_JOBS_MAX_PAYLOAD, "a size such as \"64K\", 2 to 128M" },
        { HX_KAFKA_PROPERTIES, "a list of strings" },
        { HX_POSTGRES_HOST, "a string" },
        { HX_KAFKA_TOPIC_PREFIX, "a string of 1-100 bytes" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        _cleanup_buf_ struct hx_buf b = { 0 };
        hx_table_expects(&hx_table[samples[i].key], &b);
        assert_string_equal(b.data, samples[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),
        cmocka_unit_test(nearest),
        cmocka_unit_test(variables),
        cmocka_unit_test(expectations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
