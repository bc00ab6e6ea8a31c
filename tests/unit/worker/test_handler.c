/* What a worker can run, with every limit resolved. */
#include "tests/unit/worker/fixture.h"

static struct handlers *handlers;

static struct hx_handler_config *configure(const char *type) {
    struct hx_handler_config *c = &handler_configs[handler_config_count++];
    *c = (struct hx_handler_config){ .type = type,
                                     .exec = shell_argv,
                                     .timeout_ms = -1,
                                     .backoff_base_ms = -1,
                                     .backoff_max_ms = -1,
                                     .max_attempts = -1,
                                     .concurrency = -1 };
    return c;
}

static int set_up(void **state) {
    (void)state;
    reset_fakes();
    handler_config_count = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    handlers = handlers_free(handlers);
    return 0;
}

static void the_builtin_is_always_there(void **state) {
    (void)state;
    handlers = handlers_new(NULL);
    assert_int_equal(handlers->n, 1);
    const struct handler *h = handlers_find(handlers, "mock_process");
    assert_true(handler_builtin(h));
    assert_string_equal(h->queue, "default");
    assert_int_equal(h->announce, 50);
    assert_int_equal(h->max_attempts, 3);
    assert_int_equal(h->timeout_ms, 60000);
    assert_null(handlers_find(handlers, "other"));
}

static void it_can_be_configured(void **state) {
    (void)state;
    struct hx_handler_config *c = configure("mock_process");
    c->concurrency = 2;
    c->queue = "slow";
    handlers = handlers_new(NULL);
    assert_int_equal(handlers->n, 1);
    assert_int_equal(handlers->v[0].kind, HANDLER_MOCK);
    assert_int_equal(handlers->v[0].concurrency, 2);
    assert_int_equal(handlers->free_count, 0);
    assert_string_equal(handlers->queues[0], "slow");
}

static void own_limits_beat_the_defaults(void **state) {
    (void)state;
    struct hx_handler_config *c = configure("b");
    c->timeout_ms = 5;
    c->backoff_base_ms = 0;
    c->backoff_max_ms = 7;
    c->max_attempts = 8;
    configure("a");
    handlers = handlers_new(NULL);
    const struct handler *a = handlers_find(handlers, "a"), *b = handlers_find(handlers, "b");
    assert_int_equal(b->timeout_ms, 5);
    assert_int_equal(b->backoff_base_ms, 0);
    assert_int_equal(b->backoff_max_ms, 7);
    assert_int_equal(b->max_attempts, 8);
    assert_int_equal(b->announce, 1); /* what takes a slot travels alone */
    assert_int_equal(a->backoff_base_ms, 1000);
    assert_int_equal(a->concurrency, 0);
}

static void types_are_sorted_and_queues_distinct(void **state) {
    (void)state;
    configure("z")->queue = "q";
    configure("c")->concurrency = 1;
    configure("y")->queue = "q";
    handlers = handlers_new(NULL);
    static const char *const types[] = { "c", "mock_process", "y", "z" };
    assert_int_equal(handlers->n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(handlers->types[i], types[i]);
        assert_int_equal(handlers->v[i].index, i);
    }
    assert_int_equal(handlers->free_count, 3);
    assert_string_equal(handlers->free_types[0], "mock_process");
    assert_int_equal(handlers->queue_count, 2);
}

static void kinds_of_later_versions_are_left_out(void **state) {
    (void)state;
    struct hx_handler_config *c = configure("web");
    c->exec = NULL;
    c->url = "https://example.org/";
    handlers = handlers_new(NULL);
    assert_null(handlers_find(handlers, "web"));
}

static void the_rows_of_job_type(void **state) {
    (void)state;
    configure("a")->concurrency = 4;
    handlers = handlers_new(NULL);
    struct hx_type_info *infos = handlers_infos(handlers);
    assert_string_equal(infos[0].type, "a");
    assert_int_equal(infos[0].concurrency, 4);
    assert_string_equal(infos[0].limits, "{\"timeout_ms\":60000,\"backoff_base_ms\":1000,\"backoff_max_ms\":60000}");
    assert_int_equal(infos[1].concurrency, INT32_MIN);
    handlers_infos_free(infos, handlers->n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_builtin_is_always_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_can_be_configured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_limits_beat_the_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(types_are_sorted_and_queues_distinct, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kinds_of_later_versions_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_rows_of_job_type, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
