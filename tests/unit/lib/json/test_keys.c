#include "tests/unit/lib/json/samples.h"

static void duplicates(void **s) {
    (void)s;
    static const struct sample samples[] = {
        { "{\"a\":1,\"b\":2,\"A\":3,\"\":4,\"ab\":5}", NULL, 0 },
        { "{\"a\":1,\"a\":2}", "duplicate key \"a\"", 7 },
        { "{\"\":1,\"\":2}", "duplicate key \"\"", 6 },
        { "{\"a\":1,\"\\u0061\":2}", "duplicate key \"a\"", 7 },
        { "{\"\\u0061b\":1,\"x\":0,\"a\\u0062\":2}", "duplicate key \"ab\"", 19 },
        { "[{\"a\":1},{\"a\":2}]", NULL, 0 },
        { "{\"a\":{\"a\":1,\"b\":2},\"b\":{\"a\":1}}", NULL, 0 },
        { "{\"a\":{\"b\":1},\"c\":{\"b\":1,\"b\":1}}", "duplicate key \"b\"", 24 },
        { "{\"a\":{\"\\u0062\":1},\"c\":[{}],\"a\":1}", "duplicate key \"a\"", 27 },
        { "{\"\\u00e4\":{\"\\u0062\":1},\"\xc3\xa4\":1}", "duplicate key \"\xc3\xa4\"", 23 },
        { "{\"a\\n\":1,\"a\\n\":1}", "duplicate key \"a\\n\"", 9 },
    };
    check_samples(samples, HX_ARRAY_LEN(samples));
}

/* An object of n names of one length, of which the last repeats the one at index `repeated`, if that is one. */
static void check_many(size_t n, size_t repeated, bool escape) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    size_t position = 0;
    hx_buf_putc(&text, '{');
    for (size_t i = 0; i < n; i++) {
        hx_buf_puts(&text, i ? "," : "");
        position = text.len;
        size_t number = i == n - 1 && repeated < n ? repeated : i;
        hx_buf_printf(&text, "\"%s%08zu\":%zu", escape && i % 2 ? "\\u006b" : "k", number, i);
    }
    hx_buf_putc(&text, '}');
    _cleanup_free_ char *message = hx_printf("duplicate key \"k%08zu\"", repeated);
    check_bytes(text.data, text.len, repeated < n ? message : NULL, position);
}

static void many(void **s) {
    (void)s;
    for (size_t n = 2; n < 40; n++) {
        check_many(n, SIZE_MAX, n % 2);
        check_many(n, 0, n % 2);
        check_many(n, n - 2, n % 3);
    }
    check_many(100000, SIZE_MAX, true);
    check_many(100000, 500, true);
}

static void long_name(void **s) {
    (void)s;
    char name[501];
    memset(name, 'n', 500);
    name[500] = '\0';
    _cleanup_free_ char *text = hx_printf("{\"%s\":1,\"%s\":2}", name, name);
    _cleanup_free_ char *message = hx_printf("duplicate key \"%.100s\"", name);
    check_bytes(text, strlen(text), message, 506);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicates),
        cmocka_unit_test(many),
        cmocka_unit_test(long_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
