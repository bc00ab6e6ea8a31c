#include "ctl/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int choose(struct ctl *c, unsigned given, int count, ...) {
    static char *words[8];
    va_list ap;
    va_start(ap, count);
    for (int i = 0; i < count; i++)
        words[i] = va_arg(ap, char *);
    va_end(ap);
    *c = (struct ctl){ .args.given = given };
    return command_choose(c, words, count);
}

static void finds(void **s) {
    (void)s;
    struct ctl c;
    assert_int_equal(choose(&c, 0, 1, "status"), 0);
    assert_ptr_equal(c.command, command_find("status"));
    assert_int_equal(choose(&c, CTL_BIT(CTL_JSON), 3, "cancel", "a", "b"), 0);
    assert_int_equal(c.word_count, 2);
    assert_string_equal(c.words[1], "b");
    assert_null(command_find("stat"));
    assert_string_equal(command_nearest("stats"), "status");
    assert_string_equal(command_nearest("redive"), "redrive");
}

static void refuses(void **s) {
    (void)s;
    struct ctl c;
    assert_int_equal(choose(&c, 0, 0), HX_EXIT_USAGE);
    assert_int_equal(choose(&c, 0, 1, "stats"), HX_EXIT_USAGE);
    assert_int_equal(choose(&c, 0, 1, "job"), HX_EXIT_USAGE);
    assert_int_equal(choose(&c, 0, 3, "job", "a", "b"), HX_EXIT_USAGE);
    assert_int_equal(choose(&c, 0, 2, "status", "a"), HX_EXIT_USAGE);
    assert_int_equal(choose(&c, CTL_BIT(CTL_FOLLOW), 1, "status"), HX_EXIT_USAGE);
}

static void helps(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf out = { 0 };
    command_help(&out);
    assert_non_null(strstr(out.data, "\n  cancel ID... [--reason TEXT]"));
    assert_non_null(strstr(out.data, "\n  doctor\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(finds), cmocka_unit_test(refuses), cmocka_unit_test(helps) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
