#include "producer/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void strings_stay(void **state) {
    (void)state;
    struct arena a = { 0 };
    char *strings[20000];
    for (int i = 0; i < 20000; i++) {
        char text[64];
        int n = snprintf(text, sizeof(text), "string number %d of them", i);
        strings[i] = arena_copy(&a, text, (size_t)n);
    }
    for (int i = 0; i < 20000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "string number %d of them", i);
        assert_string_equal(strings[i], text);
    }
    assert_true(a.bytes > 20000 * 20);
    arena_reset(&a);
}

static void memory_is_used_again(void **state) {
    (void)state;
    struct arena a = { 0 };
    const char *first = arena_copy(&a, "first", 5);
    arena_clear(&a);
    assert_int_equal(a.bytes, 0);
    assert_ptr_equal(arena_copy(&a, "again", 5), first);
    arena_reset(&a);
}

static void outsized_strings(void **state) {
    (void)state;
    struct arena a = { 0 };
    size_t n = 3 << 20;
    char *large = arena_take(&a, n);
    memset(large, 'x', n);
    char *small = arena_copy(&a, "small", 5);
    assert_true(small < large || small >= large + n);
    assert_int_equal(a.bytes, n + 6);
    arena_clear(&a);
    arena_reset(&a);
}

static void empty_and_binary(void **state) {
    (void)state;
    struct arena a = { 0 };
    assert_string_equal(arena_copy(&a, "", 0), "");
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    assert_memory_equal(arena_copy(&a, "a\0b", 3), "a\0b", 4);
    arena_reset(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_stay),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(outsized_strings),
        cmocka_unit_test(empty_and_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
