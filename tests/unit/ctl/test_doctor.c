#include "ctl/doctor.h"

#include "common/clock.h"
#include "ctl/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void finds(void **s) {
    (void)s;
    struct doctor d = { 0 };
    doctor_find(&d, "pg", FINDING_OK, hx_mono_ns(), "no need", "fine \"%d\"", 1);
    doctor_find(&d, "clock", FINDING_WARNING, hx_mono_ns(), NULL, "off");
    assert_true(doctor_well(&d));
    doctor_find(&d, "kafka", FINDING_FAILURE, hx_mono_ns(), "start it", "refused");
    assert_false(doctor_well(&d));

    _cleanup_buf_ struct hx_buf json = { 0 }, text = { 0 };
    doctor_json(&d, &json);
    _cleanup_json_ json_t *document = row_parse(json.data);
    const json_t *deps = json_object_get(document, "deps"), *pg = json_object_get(deps, "pg"),
                 *kafka = json_object_get(deps, "kafka");
    assert_false(row_bool(document, "ok"));
    assert_true(row_bool(pg, "ok"));
    assert_string_equal(row_string(pg, "detail"), "fine \"1\"");
    assert_true(json_is_null(json_object_get(pg, "error")));
    assert_true(json_is_real(json_object_get(pg, "ms")));
    assert_string_equal(row_string(json_object_get(deps, "clock"), "warning"), "off");
    assert_string_equal(row_string(kafka, "error"), "refused");
    assert_string_equal(row_string(kafka, "mend"), "start it");

    doctor_render(&d, false, &text);
    assert_int_equal(strncmp(text.data, "ok    pg ", 9), 0);
    assert_non_null(strstr(text.data, "\nwarn  clock "));
    assert_non_null(strstr(text.data, "\nFAIL  kafka "));
    assert_non_null(strstr(text.data, "refused; to mend it: start it\n"));
    assert_null(strstr(text.data, "no need"));
    doctor_reset(&d);
}

static void queues(void **s) {
    (void)s;
    struct doctor d = { 0 };
    doctor_add_queue(&d, "default");
    doctor_add_queue(&d, "img");
    doctor_add_queue(&d, "default");
    assert_int_equal(d.queue_count, 2);
    doctor_reset(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(finds), cmocka_unit_test(queues) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
