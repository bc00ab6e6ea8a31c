#include "worker/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct handler handler = { .type = "thumbnail" };
static struct worker worker;
static struct run run = { .worker = &worker,
                          .handler = &handler,
                          .attempt = 2,
                          .max_attempts = 3,
                          .fence = 9,
                          .timeout_ms = 1500,
                          .started_us = 1000000 };

static const char *value(const struct environment *e, const char *name) {
    for (const char *const *v = environment_vector(e); *v; v++)
        if (hx_startswith(*v, name) && (*v)[strlen(name)] == '=')
            return *v + strlen(name) + 1;
    return NULL;
}

static void has_the_contract(void **state) {
    (void)state;
    struct hx_job job = { 0 };
    assert_int_equal(hx_uuid_parse("01890000-0000-7000-8000-00000000abcd", &run.id), 0);
    struct environment *e = environment_new(&run, &job);
    assert_string_equal(value(e, "HEIMDEX_JOB_ID"), "01890000-0000-7000-8000-00000000abcd");
    assert_string_equal(value(e, "HEIMDEX_JOB_TYPE"), "thumbnail");
    assert_string_equal(value(e, "HEIMDEX_ORG_ID"), "00000000-0000-0000-0000-000000000000");
    assert_string_equal(value(e, "HEIMDEX_ATTEMPT"), "2");
    assert_string_equal(value(e, "HEIMDEX_MAX_ATTEMPTS"), "3");
    assert_string_equal(value(e, "HEIMDEX_FENCE"), "9");
    assert_string_equal(value(e, "HEIMDEX_DEADLINE"), "1970-01-01T00:00:02.500000Z");
    environment_free(e);
}

static void a_trace_is_passed_on_or_begun(void **state) {
    (void)state;
    static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct hx_job job = { .traceparent = parent };
    struct environment *e = environment_new(&run, &job);
    assert_string_equal(value(e, "TRACEPARENT"), parent);
    environment_free(e);
    job.traceparent = NULL;
    e = environment_new(&run, &job);
    const char *made = value(e, "TRACEPARENT");
    assert_int_equal(strlen(made), sizeof parent - 1);
    assert_memory_equal(made, "00-0189000000007000800000000000abcd-", 36);
    environment_free(e);
}

static void nothing_else_of_ours_gets_through(void **state) {
    (void)state;
    setenv("PGPASSWORD", "hunter2", 1);
    setenv("HEIMDEX_POSTGRES_PASSWORD", "hunter2", 1);
    setenv("LANG", "C.UTF-8", 1);
    struct hx_job job = { 0 };
    struct environment *e = environment_new(&run, &job);
    for (const char *const *v = environment_vector(e); *v; v++)
        assert_null(strstr(*v, "hunter2"));
    assert_string_equal(value(e, "LANG"), "C.UTF-8");
    environment_free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_contract),
        cmocka_unit_test(a_trace_is_passed_on_or_begun),
        cmocka_unit_test(nothing_else_of_ours_gets_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
