#include "supervisor/death.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/redact.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static struct death *make_so(const struct death *how, int status, const char *fatal, const char *tail, size_t n) {
    struct death *d = hx_alloc(sizeof(*d));
    struct rusage usage = { .ru_utime = { 1, 500000 }, .ru_maxrss = 4096 };
    *d = (struct death){ .role = "worker",
                         .slot = 3,
                         .pid = 4711,
                         .wait_status = status,
                         .stood_still = how->stood_still,
                         .cut_short = how->cut_short,
                         .evidence_fd = -1,
                         .worker_id = 12,
                         .number = 7 };
    death_describe(d, &usage, fatal, tail, n);
    return d;
}

static struct death *make(int status, const char *fatal, const char *tail, size_t n) {
    return make_so(&(struct death){ 0 }, status, fatal, tail, n);
}

static const char *text_of(const struct death *d, const char *key) {
    return json_string_value(json_object_get(d->detail, key));
}

static void names_a_signal(void **s) {
    (void)s;
    struct death *d = make(SIGSEGV | 0x80, NULL, "a\nlast words\n", 13);
    assert_string_equal(d->code, "SIGSEGV");
    assert_string_equal(d->message, "was killed by SIGSEGV (core dumped)");
    assert_string_equal(d->why, "last words");
    assert_string_equal(text_of(d, "stderr"), "a\nlast words\n");
    assert_int_equal(json_integer_value(json_object_get(d->detail, "user_ms")), 1500);
    assert_false(death_exited(d, 0));
    _cleanup_json_ json_t *m = death_message(d);
    assert_string_equal(json_string_value(json_object_get(m, "op")), "death");
    assert_int_equal(json_integer_value(json_object_get(m, "worker")), 12);
    assert_int_equal(json_integer_value(json_object_get(m, "death")), 7);
    assert_string_equal(json_string_value(json_object_get(m, "message")),
                        "worker 3 (pid 4711) was killed by SIGSEGV (core dumped)");
    death_free(d);
    assert_null(death_free(NULL));
}

static void says_why_we_killed_it(void **s) {
    (void)s;
    static const struct {
        struct death how;
        const char *message, *reason;
    } cases[] = {
        { { .stood_still = true }, "was killed by SIGKILL, ours: it stood still", NULL },
        { { .cut_short = true }, "was killed by SIGKILL, ours: it did not end in time", "drain" },
        { { 0 }, "was killed by SIGKILL", NULL },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct death *d = make_so(&cases[i].how, SIGKILL, NULL, "", 0);
        assert_string_equal(d->message, cases[i].message);
        assert_int_equal(text_of(d, "reason") != NULL, cases[i].reason != NULL);
        if (cases[i].reason)
            assert_string_equal(text_of(d, "reason"), cases[i].reason);
        assert_int_equal(json_is_true(json_object_get(d->detail, "stood_still")), cases[i].how.stood_still);
        _cleanup_json_ json_t *m = death_message(d);
        assert_int_equal(json_is_true(json_object_get(m, "cut_short")), cases[i].how.cut_short);
        death_free(d);
    }
}

static void names_an_exit_code(void **s) {
    (void)s;
    struct death *d = make(78 << 8, "the schema is too old", "noise", 5);
    assert_string_equal(d->code, "EXIT_78");
    assert_string_equal(d->why, "the schema is too old");
    assert_true(death_exited(d, 78));
    assert_false(death_exited(d, 0));
    assert_int_equal(json_integer_value(json_object_get(d->detail, "exit")), 78);
    death_free(d);
    d = make(0, NULL, "", 0);
    assert_true(death_exited(d, 0));
    assert_null(d->why);
    assert_null(text_of(d, "stderr"));
    death_free(d);
}

static void bears_any_output(void **s) {
    (void)s;
    hx_redact_secret("hunter22");
    char noise[HX_EVIDENCE_STDERR];
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 37);
    struct death *d = make(SIGABRT, NULL, noise, sizeof(noise));
    _cleanup_json_ json_t *m = death_message(d);
    _cleanup_free_ char *text = hx_json_dump(m);
    struct hx_json_error error;
    assert_int_equal(hx_json_check(text, strlen(text), &error), 0);
    death_free(d);
    /* the tail began in the middle of a character, and names a secret */
    d = make(SIGABRT, NULL, "\x9f\x98 f\xc3\xbcr hunter22", 16);
    assert_string_equal(text_of(d, "stderr"), " f\xc3\xbcr ***");
    death_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_a_signal),
        cmocka_unit_test(says_why_we_killed_it),
        cmocka_unit_test(names_an_exit_code),
        cmocka_unit_test(bears_any_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
