/* What a run used. */
#include "tests/unit/worker/programs.h"

#include <sys/resource.h>

static int64_t limit_memory(int64_t max) {
    struct handler *handler = (struct handler *)(uintptr_t)handler_of(SHELL);
    int64_t before = handler->memory_max;
    handler->memory_max = max;
    return before;
}

/* The kernel counts our own memory as a child's until its exec: a small program has no size of its own that anybody knows. */
static void its_size_is_not_ours(void **state) {
    (void)state;
    struct rusage own;
    const struct run *small = go("exit 0");
    assert_true(number_in(small, "cpu_ms") >= 0);
    assert_int_equal(number_in(small, "max_rss_kb"), -1);
    getrusage(RUSAGE_SELF, &own);
    _cleanup_free_ char *script = hx_printf("x=$(head -c %ld /dev/zero | tr '\\0' x)", (own.ru_maxrss + 32768) * 1024);
    assert_true(number_in(go(script), "max_rss_kb") > own.ru_maxrss + 32768);
    int64_t before = limit_memory(INT64_C(64) << 30);
    const struct run *failed = go("exit 1");
    assert_non_null(strstr(failed->outcome.message, "the handler exited with 1 (memory_max 64G, at most "));
    _cleanup_free_ char *failing = hx_printf("%s; exit 1", script);
    failed = go(failing);
    assert_non_null(strstr(failed->outcome.message, "(memory_max 64G, "));
    assert_null(strstr(failed->outcome.message, "at most"));
    limit_memory(before);
}

int main(void) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        TEST(its_size_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
