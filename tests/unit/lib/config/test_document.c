#include "tests/unit/lib/config/scratch.h"

#define DOCUMENT "docs/configuration.md" /* tests run in the source tree */

/* Fails when the file drifts from the table. HX_WRITE_DOCS=1 writes it instead. */
static void is_up_to_date(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf wanted = { 0 }, got = { 0 };
    hx_config_document(&wanted);
    const char *write = getenv("HX_WRITE_DOCS");
    if (write && *write) {
        mkdir("docs", 0755);
        _cleanup_fclose_ FILE *out = fopen(DOCUMENT, "we");
        assert_non_null(out);
        assert_int_equal(fwrite(wanted.data, 1, wanted.len, out), wanted.len);
        return;
    }
    _cleanup_fclose_ FILE *in = fopen(DOCUMENT, "re");
    if (!in)
        fail_msg("%s: %s; HX_WRITE_DOCS=1 writes it", DOCUMENT, strerror(errno));
    size_t n;
    do {
        n = fread(hx_buf_reserve(&got, 65536), 1, 65536, in);
        got.len += n;
    } while (n > 0);
    if (got.len != wanted.len || memcmp(got.data, wanted.data, got.len) != 0)
        fail_msg("%s differs from lib/config/table.c: HX_WRITE_DOCS=1 build/.../test_document writes it", DOCUMENT);
}

static void names_everything(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf text = { 0 };
    hx_config_document(&text);
    for (int key = 0; key < HX_KEYS; key++) {
        _cleanup_buf_ struct hx_buf variable = { 0 };
        hx_table_variable((enum hx_key)key, &variable);
        assert_non_null(strstr(text.data, hx_table[key].name));
        assert_non_null(strstr(text.data, variable.data));
    }
    assert_non_null(strstr(text.data, "| pgpassword | PGPASSWORD | postgres.password |"));
    assert_non_null(strstr(text.data, "| kafka-sasl-password | KAFKA_SASL_PASSWORD | kafka.properties"));
    assert_non_null(strstr(text.data, "| redis-url | REDIS_URL | redis.url |"));
    assert_null(strstr(text.data, HX_VERSION)); /* nothing that changes with host or version */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_up_to_date),
        cmocka_unit_test(names_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
