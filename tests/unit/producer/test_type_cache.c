#include "producer/type_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void finding(void **state) {
    (void)state;
    struct type_cache c = { 0 };
    type_cache_add(&c, "video", "media", 1);
    type_cache_add(&c, "audio", "media", 7);
    type_cache_add(&c, "mock_process", "default", 50);
    type_cache_add(&c, "huge", "default", 5000);
    type_cache_sort(&c);
    assert_string_equal(type_cache_find(&c, "audio").queue, "media");
    assert_int_equal(type_cache_find(&c, "audio").announce, 7);
    assert_int_equal(type_cache_find(&c, "mock_process").announce, 50);
    assert_int_equal(type_cache_find(&c, "huge").announce, 1000); /* what a record can hold */
    assert_false(c.missed);
    struct type_entry unknown = type_cache_find(&c, "unknown");
    assert_string_equal(unknown.queue, "default");
    assert_int_equal(unknown.announce, 1);
    assert_true(c.missed);
    type_cache_reset(&c);
}

static void an_empty_one_is_stale(void **state) {
    (void)state;
    struct type_cache c = { 0 };
    assert_true(type_cache_is_stale(&c));
    assert_string_equal(type_cache_find(&c, "t").queue, "default");
    type_cache_reset(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding),
        cmocka_unit_test(an_empty_one_is_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
