#include "tests/unit/lib/config/scratch.h"

static const char whole[] = "postgres = { host = \"h\"; port = 5433; user = \"u\"; password = \"from-the-file\"; "
                            "dbname = \"d\"; sslmode = \"require\"; };";

/* "host=h port=…" of what libpq is given for this file. */
static void check(const char *content, const char *wanted) {
    _cleanup_config_ struct hx_config *c = load(content);
    _cleanup_buf_ struct hx_buf got = { 0 };
    const char *const *keywords, *const *values;
    hx_config_postgres(c, &keywords, &values);
    for (size_t i = 0; keywords[i]; i++)
        hx_buf_printf(&got, "%s%s=%s", i ? " " : "", keywords[i], values[i]);
    assert_string_equal(got.data ? got.data : "", wanted);
}

static void from_the_file(void **s) {
    (void)s;
    check("", "");
    check(whole, "host=h port=5433 user=u password=from-the-file dbname=d sslmode=require");
    check("postgres = { port = \"1,2\"; host = \"\"; };", "port=1,2");
}

static void environment_wins(void **s) {
    (void)s;
    setenv("PGHOST", "other", 1);
    setenv("PGSSLMODE", "disable", 1);
    check(whole, "host=other port=5433 user=u password=from-the-file dbname=d sslmode=disable");
}

static void libpq_keeps_its_business(void **s) {
    (void)s;
    setenv("PGPASSFILE", "/x", 1);
    check(whole, "host=h port=5433 user=u dbname=d sslmode=require");
    setenv("PGPASSWORD", "from-variable", 1);
    check(whole, "host=h port=5433 user=u password=from-variable dbname=d sslmode=require");
    setenv("PGSERVICE", "x", 1);
    check(whole, "");
    setenv("HEIMDEX_POSTGRES_USER", "explicit", 1);
    put("secrets/pgpassword/pgpassword", "from-secret");
    check(whole, "user=explicit password=from-secret");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(from_the_file),
        scratch_test(environment_wins),
        scratch_test(libpq_keeps_its_business),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
