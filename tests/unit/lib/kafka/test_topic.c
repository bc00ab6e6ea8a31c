#include "lib/kafka/kafka.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static void names_are_put_together(void **state) {
    (void)state;
    char name[HX_TOPIC_SIZE];
    assert_int_equal(hx_topic_jobs(name, "heimdex", "default", false), 0);
    assert_string_equal(name, "heimdex.jobs.default");
    assert_int_equal(hx_topic_jobs(name, "a.b", "mail", true), 0);
    assert_string_equal(name, "a.b.jobs.mail.high");
    assert_int_equal(hx_topic_dead_letter(name, "heimdex"), 0);
    assert_string_equal(name, "heimdex.dead-letter");
}

static void a_name_ends_at_249_bytes(void **state) {
    (void)state;
    char name[HX_TOPIC_SIZE], prefix[260];
    memset(prefix, 'p', sizeof(prefix));
    prefix[249 - strlen(".jobs.q.high")] = '\0';
    assert_int_equal(hx_topic_jobs(name, prefix, "q", true), 0);
    assert_int_equal(strlen(name), 249);
    assert_int_equal(hx_topic_jobs(name, prefix, "qq", true), -ENAMETOOLONG);
    prefix[strlen(prefix)] = 'p';
    prefix[249 - strlen(".dead-letter")] = '\0';
    assert_int_equal(hx_topic_dead_letter(name, prefix), 0);
    prefix[strlen(prefix)] = 'p';
    prefix[250 - strlen(".dead-letter")] = '\0';
    assert_int_equal(hx_topic_dead_letter(name, prefix), -ENAMETOOLONG);
}

static void only_legal_names_are_valid(void **state) {
    (void)state;
    char name[102];
    memset(name, 'n', sizeof(name));
    name[101] = '\0';
    assert_true(hx_topic_name_valid("default"));
    assert_true(hx_topic_name_valid("A-z_0.9"));
    assert_false(hx_topic_name_valid(""));
    assert_false(hx_topic_name_valid("a b"));
    assert_false(hx_topic_name_valid("a/b"));
    assert_false(hx_topic_name_valid("\303\244"));
    assert_false(hx_topic_name_valid(name));
    name[100] = '\0';
    assert_true(hx_topic_name_valid(name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_put_together),
        cmocka_unit_test(a_name_ends_at_249_bytes),
        cmocka_unit_test(only_legal_names_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
