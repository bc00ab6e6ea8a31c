#include "migrations/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct sample {
    const char *text;
    enum hx_token_kind kind;
    size_t size; /* of the first token */
};

static const struct sample samples[] = {
    { "", HX_TOKEN_END, 0 },
    { " \t\r\n x", HX_TOKEN_SPACE, 5 },
    { "select 1", HX_TOKEN_WORD, 6 },
    { "a$b$c x", HX_TOKEN_WORD, 5 },
    { "größe+1", HX_TOKEN_WORD, sizeof "größe" - 1 },
    { "1", HX_TOKEN_SIGN, 1 },
    { ";", HX_TOKEN_SIGN, 1 },
    { "-1", HX_TOKEN_SIGN, 1 },
    { "/ 2", HX_TOKEN_SIGN, 1 },
    { "-- a;b\nc", HX_TOKEN_COMMENT, 6 },
    { "--", HX_TOKEN_COMMENT, 2 },
    { "/* a; */b", HX_TOKEN_COMMENT, 8 },
    { "/* a /* b */ c */d", HX_TOKEN_COMMENT, 17 },
    { "/* a /* b */", HX_TOKEN_OPEN, 12 },
    { "/*/", HX_TOKEN_OPEN, 3 },
    { "'a;b' c", HX_TOKEN_QUOTED, 5 },
    { "'a\\'b", HX_TOKEN_QUOTED, 4 }, /* a backslash escapes nothing here */
    { "'a''b'", HX_TOKEN_QUOTED, 3 }, /* and the second half comes next */
    { "'a", HX_TOKEN_OPEN, 2 },
    { "\"a;b\" c", HX_TOKEN_QUOTED, 5 },
    { "E'a\\'b' c", HX_TOKEN_QUOTED, 7 },
    { "e'a''b' c", HX_TOKEN_QUOTED, 7 },
    { "e'a\\\\' c", HX_TOKEN_QUOTED, 6 },
    { "e'a'\n  'b\\'c' d", HX_TOKEN_QUOTED, 13 },
    { "e'a' 'b' c", HX_TOKEN_QUOTED, 4 },
    { "e'a\\", HX_TOKEN_OPEN, 4 },
    { "se'a' c", HX_TOKEN_WORD, 2 },
    { "$$a;b$$ c", HX_TOKEN_QUOTED, 7 },
    { "$t$a;$$b$t$ c", HX_TOKEN_QUOTED, 11 },
    { "$t$a$T$", HX_TOKEN_OPEN, 7 },
    { "$1 + $2", HX_TOKEN_SIGN, 1 },
    { "$a b", HX_TOKEN_SIGN, 1 },
    { "$", HX_TOKEN_SIGN, 1 },
};

static void kinds_and_sizes(void **s) {
    (void)s;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        const char *text = samples[i].text;
        struct hx_token t = hx_token_at(text, text + strlen(text));
        if (t.kind != samples[i].kind || t.size != samples[i].size || t.text != text)
            fail_msg("%s: kind %d, size %zu", text, t.kind, t.size);
    }
}

/* Every prefix of every sample, in memory that ends with it: the sanitizer sees a byte read too far. */
static void reads_no_further_than_the_end(void **s) {
    (void)s;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        for (size_t n = 0; n <= strlen(samples[i].text); n++) {
            char *exact = malloc(n ? n : 1);
            assert_non_null(exact);
            memcpy(exact, samples[i].text, n);
            size_t read = 0;
            while (read < n) {
                struct hx_token t = hx_token_at(exact + read, exact + n);
                assert_true(t.size > 0 && read + t.size <= n);
                read += t.size;
            }
            free(exact);
        }
}

static void words_in_any_case(void **s) {
    (void)s;
    const char *text = "BeGin";
    struct hx_token t = hx_token_at(text, text + 5);
    assert_true(hx_token_is(&t, "begin"));
    assert_false(hx_token_is(&t, "begi"));
    assert_false(hx_token_is(&t, "beginn"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_and_sizes),
        cmocka_unit_test(reads_no_further_than_the_end),
        cmocka_unit_test(words_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
