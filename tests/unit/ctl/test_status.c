#include "ctl/status.h"

#include "ctl/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const worker =
    "{\"hostname\":\"alpha\",\"instance\":\"main\",\"slot\":0,\"dead\":false,\"alive\":true,\"jobs\":2,"
    "\"claims\":1,\"types\":[\"thumbnail\"],\"renewed_at\":\"2026-11-21T07:29:45.000000Z\"}";
static json_t *document(void) {
    json_t *d = status_new();
    json_array_append_new(json_object_get(d, "workers"), row_parse(worker));
    status_count(d, "thumbnail", "succeeded", 7);
    status_count(d, "thumbnail", "running", 2);
    status_count(d, "other", "queued", 3);
    status_handled(d);
    return d;
}

static void counts(void **s) {
    (void)s;
    _cleanup_json_ json_t *d = document();
    assert_int_equal(row_int(json_object_get(d, "counts"), "queued"), 3);
    assert_int_equal(row_int(json_object_get(d, "counts"), "succeeded"), 7);
    assert_int_equal(row_int(json_object_get(d, "counts"), "dead_letter"), 0);
    assert_int_equal(json_object_size(json_object_get(d, "counts")), 6);
    assert_int_equal(json_array_size(json_object_get(d, "types")), 2);
    assert_true(row_bool(status_type(d, "thumbnail"), "handled"));
    assert_false(row_bool(status_type(d, "other"), "handled"));
}

static void is_quiet_when_well(void **s) {
    (void)s;
    _cleanup_json_ json_t *d = status_new();
    _cleanup_buf_ struct hx_buf out = { 0 };
    json_array_append_new(json_object_get(d, "workers"), row_parse(worker));
    stuck_render(d, false, &out);
    assert_int_equal(out.len, 0);
}

static void stuck(void **s) {
    (void)s;
    static const struct {
        const char *stuck, *wanted;
    } cases[] = {
        { "{\"outbox\":{\"rows\":1,\"oldest_age_s\":90.5}}",
          "outbox: 1 batch not announced; workers find the jobs slowly, the oldest for 1m" },
        { "{\"outbox\":{\"rows\":1,\"oldest_age_s\":3}}", NULL },
        { "{\"sweep_lag_s\":9000.0}", "sweep: 9000 seconds behind" },
        { "{\"quarantine\":2}", "2 Kafka records of no use, in quarantine" },
        { "{\"claims_without_worker\":1}", "1 claim of no worker" },
        { "{\"oldest_signal_age_s\":100}", "does not answer" },
        { "{\"events_in_default_partition\":true}", "default partition" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        _cleanup_json_ json_t *d = status_new();
        _cleanup_buf_ struct hx_buf out = { 0 };
        json_array_append_new(json_object_get(d, "workers"), row_parse(worker));
        json_object_set_new(d, "stuck", row_parse(cases[i].stuck));
        stuck_render(d, false, &out);
        if (cases[i].wanted)
            assert_non_null(strstr(out.data ? out.data : "", cases[i].wanted));
        else
            assert_int_equal(out.len, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(is_quiet_when_well),
        cmocka_unit_test(stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
