#include "supervisor/setup.h"

#include "tests/unit/supervisor/scratch.h"

static struct setup *make(const char *variable, const char *value) {
    static const struct setup_common common = { .bin_dir = "/", .instance = "main", .incarnation = "run" };
    struct setup *setup;
    assert_int_equal(setup_new(scratch_config((const char *const[]){ variable, value, NULL }), &common, &setup), 0);
    return setup;
}

static void what_follows_from_a_configuration(void **s) {
    (void)s;
    struct setup *a = make("HEIMDEX_SUPERVISOR_RESTART_BACKOFF_MAX", "3s");
    struct setup *b = make("HEIMDEX_SUPERVISOR_DRAIN_TIMEOUT", "1m");
    assert_int_equal(a->host.backoff_max_ms, 3000);
    assert_int_equal(b->host.drain_timeout_ms, 60000);
    assert_true(b->host.drain_ms > 60000);
    assert_ptr_equal(a->host.launch, a->launch);
    assert_int_not_equal(a->host.setup, b->host.setup);
    setup_free(a);
    setup_free(b);
    assert_null(setup_free(NULL));
}

/* Nor for drain_timeout. */
static void in_a_hurry_no_handler_is_waited_for(void **s) {
    (void)s;
    struct setup *a = make("HEIMDEX_JOBS_KILL_GRACE", "0"), *b = make("HEIMDEX_JOBS_KILL_GRACE", "1h");
    struct setup *c = make("HEIMDEX_SUPERVISOR_DRAIN_TIMEOUT", "1h");
    assert_int_equal(a->host.hurry_ms, b->host.hurry_ms);
    assert_int_equal(a->host.hurry_ms, c->host.hurry_ms);
    setup_free(a);
    setup_free(b);
    setup_free(c);
}

static void who_is_to_be_replaced(void **s) {
    (void)s;
    static const struct {
        const char *variable, *value;
        bool differs;
    } cases[] = {
        { "HEIMDEX_SUPERVISOR_WORKERS", "77", false },
        { "HEIMDEX_SUPERVISOR_SCHEDULERS", "7", false },
        { "HEIMDEX_SUPERVISOR_RESTART_BACKOFF_MAX", "7s", false },
        { "HEIMDEX_SUPERVISOR_DRAIN_TIMEOUT", "7s", true },
        { "HEIMDEX_WORKER_SLOTS", "7", true },
        { "PGPASSWORD", "seven", true },
        { "HEIMDEX_KAFKA_PROPERTIES", "debug=all", true },
    };
    struct setup *plain = make(NULL, NULL), *same = make(NULL, NULL);
    assert_false(setup_differs_for_children(plain, same));
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct setup *other = make(cases[i].variable, cases[i].value);
        assert_int_equal(setup_differs_for_children(plain, other), cases[i].differs);
        assert_int_equal(setup_differs_for_children(other, plain), cases[i].differs);
        setup_free(other);
    }
    setup_free(plain);
    setup_free(same);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_from_a_configuration),
        cmocka_unit_test(in_a_hurry_no_handler_is_waited_for),
        cmocka_unit_test(who_is_to_be_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
