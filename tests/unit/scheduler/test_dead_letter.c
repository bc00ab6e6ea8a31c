#include "scheduler/dead_letter.h"

#include "lib/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { KEPT = 16 * 1024 };

static char *long_text(size_t n) {
    char *text = hx_alloc(n + 1);
    memset(text, 'x', n);
    return text;
}

static json_t *shorten(const char *record) {
    _cleanup_free_ char *text = dead_letter_shorten("the-key", record, strlen(record));
    json_t *object = NULL;
    assert_int_equal(hx_json_parse(text, strlen(text), &object, NULL), 0);
    return object;
}

static void a_long_payload_is_cut(void **state) {
    (void)state;
    _cleanup_free_ char *x = long_text(900000);
    _cleanup_free_ char *record = hx_printf(
        "{\"kind\":\"job\",\"id\":\"1\",\"payload\":{\"x\":\"%s\"},\"error\":{\"code\":\"c\",\"message\":\"m\"}}", x);
    _cleanup_json_ json_t *cut = shorten(record);
    assert_true(json_is_null(json_object_get(cut, "payload")));
    assert_int_equal(strlen(json_string_value(json_object_get(cut, "payload_head"))), KEPT);
    assert_int_equal(json_integer_value(json_object_get(cut, "payload_size")), 900008);
    assert_true(json_is_true(json_object_get(cut, "truncated")));
    assert_string_equal(json_string_value(json_object_get(cut, "id")), "1");
    assert_string_equal(json_string_value(json_object_get(json_object_get(cut, "error"), "message")), "m");
}

static void a_long_message_is_cut(void **state) {
    (void)state;
    _cleanup_free_ char *x = long_text(100000);
    _cleanup_free_ char *record = hx_printf("{\"payload\":{},\"error\":{\"code\":\"c\",\"message\":\"%s\"}}", x);
    _cleanup_json_ json_t *cut = shorten(record);
    assert_int_equal(strlen(json_string_value(json_object_get(json_object_get(cut, "error"), "message"))), KEPT);
}

static void a_quarantined_record_is_cut(void **state) {
    (void)state;
    _cleanup_free_ char *x = long_text(88000);
    _cleanup_free_ char *record = hx_printf("{\"kind\":\"record\",\"record_base64\":\"%s\"}", x);
    _cleanup_json_ json_t *cut = shorten(record);
    assert_int_equal(strlen(json_string_value(json_object_get(cut, "record_base64"))), KEPT);
    assert_null(json_object_get(cut, "payload_head"));
}

static void of_nonsense_the_key_stays(void **state) {
    (void)state;
    _cleanup_json_ json_t *cut = shorten("[1e999");
    assert_string_equal(json_string_value(json_object_get(cut, "id")), "the-key");
    _cleanup_json_ json_t *array = shorten("[1]");
    assert_string_equal(json_string_value(json_object_get(array, "id")), "the-key");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_payload_is_cut),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(a_quarantined_record_is_cut),
        cmocka_unit_test(of_nonsense_the_key_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
