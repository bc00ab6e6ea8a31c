#include "producer/failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/exit_codes.h"
#include "common/text.h"

static struct hx_pg_error error_of(enum hx_pg_class class, const char *sqlstate, const char *message) {
    struct hx_pg_error e = { .class = class, .statement = -1 };
    hx_strcopy(e.sqlstate, sizeof(e.sqlstate), sqlstate);
    hx_strcopy(e.message, sizeof(e.message), message);
    return e;
}

static void exit_codes(void **state) {
    (void)state;
    static const struct {
        enum hx_pg_class class;
        const char *sqlstate;
        int exit_code;
        bool passing_at_first, passing_later;
    } samples[] = {
        { HX_PG_UNAVAILABLE, "", HX_EXIT_UNAVAILABLE, false, true },       /* refused */
        { HX_PG_UNAVAILABLE, "57P03", HX_EXIT_UNAVAILABLE, true, true },   /* starting up */
        { HX_PG_UNAVAILABLE, "3D000", HX_EXIT_UNAVAILABLE, false, false }, /* no such database */
        { HX_PG_RETRY, "40P01", HX_EXIT_UNAVAILABLE, true, true },
        { HX_PG_DENIED, "28P01", HX_EXIT_NOT_PERMITTED, false, false },
        { HX_PG_SCHEMA, "42P01", HX_EXIT_CONFIG, false, false },
        { HX_PG_DATA, "22P05", HX_EXIT_DATA, false, false },
        { HX_PG_OTHER, "", HX_EXIT_CONFIG, false, false }, /* a parameter that libpq doesn't like */
        { HX_PG_OTHER, "XX000", HX_EXIT_SOFTWARE, false, false },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        struct hx_pg_error e = error_of(samples[i].class, samples[i].sqlstate, "why");
        assert_int_equal(failure_exit_code(&e), samples[i].exit_code);
        assert_true(failure_is_passing(&e, false) == samples[i].passing_at_first);
        assert_true(failure_is_passing(&e, true) == samples[i].passing_later);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
