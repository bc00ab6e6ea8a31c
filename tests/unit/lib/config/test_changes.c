#include "tests/unit/lib/config/scratch.h"

/* What hx_config_changes names between these two files' contents. */
static const char *between(const char *before, const char *after) {
    static char names[512];
    _cleanup_config_ struct hx_config *a = load(before), *b = load(after);
    _cleanup_buf_ struct hx_buf text = { 0 };
    hx_config_changes(a, "", b, "", NULL, &text);
    hx_strcopy(names, sizeof names, text.data ? text.data : "");
    return names;
}

#define HANDLER "handlers = ( { type = \"t\"; exec = [\"/t\", \"a\"]; cpu_max = 0.1; timeout = \"60s\"; } );"

static void nothing(void **s) {
    (void)s;
    assert_string_equal(between("", "worker = { slots = 16; };\n# as it is"), "");
    assert_string_equal(between("jobs = { timeout = \"60s\"; };", "\njobs = { timeout = \"1m\"; };"), "");
    assert_string_equal(between(HANDLER, "\nworker = { };\n" HANDLER), "");
}

static void keys(void **s) {
    (void)s;
    assert_string_equal(between("postgres = { password = \"hidden1\"; };",
                                "postgres = { password = \"hidden2\"; user = \"u\"; };\nlog = { level = \"debug\"; };"),
                        "postgres.user, postgres.password, log.level");
    assert_string_equal(
        between("kafka = { properties = [ \"a=1\", \"b=2\" ]; };", "kafka = { properties = [ \"a=1\" ]; };"),
        "kafka.properties");
    assert_string_equal(between("", "kafka = { properties = [ \"a=1\" ]; };"), "kafka.properties");
}

static bool left_out(enum hx_key key) {
    return key == HX_SUPERVISOR_WORKERS;
}

static void keys_left_out(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf names = { 0 };
    _cleanup_config_ struct hx_config *a = load("supervisor = { workers = 1; };");
    _cleanup_config_ struct hx_config *b = load("supervisor = { workers = 2; };\nworker = { slots = 1; };");
    hx_config_changes(a, "", b, "", left_out, &names);
    assert_string_equal(names.data, "worker.slots");
}

static void handlers(void **s) {
    (void)s;
    static const char *const others[] = {
        "exec = [\"/t\"]; cpu_max = 0.1; timeout = \"60s\";",
        "exec = [\"/t\", \"a\"]; cpu_max = 0.2; timeout = \"60s\";",
        "exec = [\"/t\", \"a\"]; cpu_max = 0.1; timeout = \"61s\";",
        "exec = [\"/t\", \"a\"]; cpu_max = 0.1; timeout = \"60s\"; queue = \"q\";",
        "exec = [\"/t\", \"a\"]; cpu_max = 0.1; timeout = \"60s\"; memory_max = \"20G\";",
        "url = \"http://h/\"; timeout = \"60s\";",
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++) {
        _cleanup_free_ char *other = hx_printf("handlers = ( { type = \"t\"; %s } );", others[i]);
        assert_string_equal(between(HANDLER, other), "handler t");
    }
    assert_string_equal(between(HANDLER, ""), "handler t");
    assert_string_equal(between(HANDLER, "handlers = ( { type = \"u\"; exec = [\"/t\", \"a\"]; } );"),
                        "handler t, handler u");
}

/* Certificates are renewed under the same name. */
static void contents_of_files(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf before = { 0 }, same = { 0 }, after = { 0 }, gone = { 0 }, names = { 0 };
    put("ca.pem", "1");
    put("hook.key", "1");
    put("pg.key", "1");
    setenv("PGSSLKEY", in_scratch("pg.key"), 1);
    setenv("PGHOST", scratch, 1); /* a folder */
    _cleanup_free_ char *text =
        hx_printf("kafka = { properties = [ \"ssl.ca.location=%s\", \"client.id=/\" ]; };\n"
                  "handlers = ( { type = \"t\"; url = \"http://h/\"; secret_file = \"%s\"; } );",
                  in_scratch("ca.pem"), in_scratch("hook.key"));
    _cleanup_config_ struct hx_config *c = load(text);
    hx_config_files(c, &before);
    hx_config_files(c, &same);
    assert_string_equal(before.data, same.data);
    put("ca.pem", "22");
    put("fresh", "1");
    assert_int_equal(rename(in_scratch("fresh"), in_scratch("hook.key")), 0);
    hx_config_files(c, &after);
    hx_config_changes(c, before.data, c, after.data, NULL, &names);
    _cleanup_free_ char *expected =
        hx_printf("content of %s, content of %s", in_scratch("ca.pem"), in_scratch("hook.key"));
    assert_string_equal(names.data, expected);
    assert_int_equal(unlink(in_scratch("pg.key")), 0);
    hx_config_files(c, &gone);
    hx_buf_clear(&names);
    hx_config_changes(c, after.data, c, gone.data, NULL, &names);
    assert_int_equal(names.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(nothing),           scratch_test(keys), scratch_test(keys_left_out), scratch_test(handlers),
        scratch_test(contents_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
