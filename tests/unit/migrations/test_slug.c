#include "migrations/slug.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void as_alembic_makes_them(void **s) {
    (void)s;
    static const char *const cases[][2] = {
        { "Add users", "add_users" },
        { "  a: b/c -- d  ", "a_b_c_d" },
        { "../../etc/passwd", "etc_passwd" },
        { "", "" },
        { "!?", "" },
        { "snake_case stays", "snake_case_stays" },
        { "Größe", "größe" },
        { "one two three four five six seven eight nine", "one_two_three_four_five_six_seven_eight" },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *slug = hx_slug(cases[i][0]);
        assert_string_equal(slug, cases[i][1]);
        free(slug);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_alembic_makes_them) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
