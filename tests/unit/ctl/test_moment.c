#include "ctl/moment.h"

#include "lib/ledger/ledger.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S INT64_C(1000000)
#define NOW (INT64_C(1795246188) * S) /* 2026-11-21T07:29:48Z */

static void parses(void **s) {
    (void)s;
    int64_t us = 42;
    assert_int_equal(moment_parse("2h", NOW, &us), 0);
    assert_int_equal(us, NOW - 7200 * S);
    assert_int_equal(moment_parse("0", NOW, &us), 0);
    assert_int_equal(us, NOW);
    assert_int_equal(moment_parse("2026-11-21T07:29:48Z", 0, &us), 0);
    assert_int_equal(us, NOW);
    assert_int_equal(moment_parse("2026-11-21T08:29:48+01:00", 0, &us), 0);
    assert_int_equal(us, NOW);
    us = 42;
    assert_int_equal(moment_parse("yesterday", NOW, &us), -EINVAL);
    assert_int_equal(moment_parse("", NOW, &us), -EINVAL);
    assert_int_equal(moment_parse("-2h", NOW, &us), -EINVAL);
    assert_int_equal(moment_parse("99999999d", NOW, &us), -EINVAL);
    assert_int_equal(us, 42);
}

static void ages(void **s) {
    (void)s;
    static const struct {
        int64_t age_us;
        const char *text;
    } cases[] = {
        { 0, "now" },
        { S - 1, "now" },
        { -(S - 1), "now" },
        { S, "1s ago" },
        { 59 * S, "59s ago" },
        { 60 * S, "1m ago" },
        { 3599 * S, "59m ago" },
        { 3600 * S, "1h ago" },
        { 47 * 3600 * S, "47h ago" },
        { 48 * 3600 * S, "2d ago" },
        { 4000 * 86400 * S, "4000d ago" },
        { -180 * S, "in 3m" },
    };
    char text[MOMENT_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        moment_age(NOW - cases[i].age_us, NOW, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void formats(void **s) {
    (void)s;
    char text[MOMENT_SIZE];
    moment_format(NOW + 999999, text);
    assert_string_equal(text, "2026-11-21T07:29:48Z");
    moment_format(HX_NO_TIME, text);
    assert_string_equal(text, "-");
    moment_both(NOW - 180 * S, NOW, text);
    assert_string_equal(text, "2026-11-21T07:26:48Z (3m ago)");
    moment_both(HX_NO_TIME, NOW, text);
    assert_string_equal(text, "-");
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(parses), cmocka_unit_test(ages), cmocka_unit_test(formats) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
