#include "tests/unit/lib/config/scratch.h"

#include "common/redact.h"

static struct hx_config *through(const struct hx_config *c) {
    _cleanup_buf_ struct hx_buf packed = { 0 };
    struct hx_config_error e = { "" };
    struct hx_config *copy = NULL;
    hx_config_pack(c, &packed);
    if (hx_config_unpack(packed.data, packed.len, &copy, &e) < 0)
        fail_msg("%s", e.message);
    return copy;
}

static void nothing_is_lost(void **s) {
    (void)s;
    setenv("PGHOST", "pg", 1);
    setenv("HEIMDEX_UNKNOWN", "x", 1);
    put("secrets/pgpassword/pgpassword", "packed \"secret\"\t\xc3\xa4");
    _cleanup_config_ struct hx_config *c =
        load("worker = { slots = 4; };\npostgres = { port = \"1,2\"; user = \"M\xc3\xbcller\"; };\n"
             "kafka = { properties = [ \"a=b,c\", \"sasl.password=xyz=\" ]; };\n"
             "handlers = ( { type = \"t\"; exec = [\"/t\", \"\", \"a b\"]; timeout = \"90s\"; cpu_max = 0.25;\n"
             "    max_attempts = 2; memory_max = \"20G\"; tasks_max = 3; concurrency = 9; queue = \"q\";\n"
             "    backoff_base = \"2s\"; backoff_max = \"3s\"; },\n"
             "  { type = \"u\"; url = \"http://me:url-secret@h/\"; secret_file = \"/k\"; }, { type = "
             "\"mock_process\"; } );\n");
    _cleanup_config_ struct hx_config *copy = through(c);
    _cleanup_buf_ struct hx_buf before = { 0 }, after = { 0 };
    hx_config_show(c, &before);
    hx_config_show(copy, &after);
    assert_string_equal(before.data, after.data);
    for (int key = 0; key < HX_KEYS; key++) {
        assert_true(hx_streq(c->values[key].text, copy->values[key].text));
        assert_true(c->values[key].number == copy->values[key].number);
        assert_int_equal(c->values[key].origin, copy->values[key].origin);
        assert_int_equal(c->values[key].count, copy->values[key].count);
        for (size_t i = 0; i < c->values[key].count; i++)
            assert_string_equal(c->values[key].list[i], copy->values[key].list[i]);
    }
    assert_string_equal(copy->handlers[0].exec[2], "a b");
    assert_null(copy->handlers[0].exec[3]);
    assert_null(copy->handlers[1].exec);
    assert_string_equal(copy->handlers[1].url, "http://me:url-secret@h/");
    assert_int_equal(copy->warning_count, 1);
    assert_string_equal(copy->warnings[0], c->warnings[0]);
    const char *const *keywords, *const *values, *const *keywords_after, *const *values_after;
    hx_config_postgres(c, &keywords, &values);
    hx_config_postgres(copy, &keywords_after, &values_after);
    for (size_t i = 0; keywords[i] || keywords_after[i]; i++) {
        assert_true(hx_streq(keywords[i], keywords_after[i]));
        assert_true(hx_streq(values[i], values_after[i]));
    }
}

static void environment_is_not_read_again(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *c = load("");
    setenv("HEIMDEX_WORKER_SLOTS", "99", 1);
    setenv("HEIMDEX_UNKNOWN", "x", 1);
    _cleanup_config_ struct hx_config *copy = through(c);
    assert_int_equal(hx_config_int(copy, HX_WORKER_SLOTS), 16);
    assert_int_equal(copy->warning_count, 0);
}

static void check_refused(const char *text, const char *message) {
    struct hx_config_error e = { "" };
    struct hx_config *c = NULL;
    assert_int_equal(hx_config_unpack(text, strlen(text), &c, &e), -EINVAL);
    assert_string_equal(e.message, message);
    assert_null(c);
}

/* A packed default configuration with the first `from` replaced by `to`. */
static char *doctored(const char *from, const char *to) {
    _cleanup_config_ struct hx_config *c = load("handlers = ( { type = \"t\"; exec = [\"/t\"]; } );");
    _cleanup_buf_ struct hx_buf packed = { 0 }, out = { 0 };
    hx_config_pack(c, &packed);
    const char *at = strstr(packed.data, from);
    assert_non_null(at);
    hx_buf_append(&out, packed.data, (size_t)(at - packed.data));
    hx_buf_puts(&out, to);
    hx_buf_puts(&out, at + strlen(from));
    return hx_buf_take(&out);
}

static void refused(void **s) {
    (void)s;
    check_refused("", "packed configuration: byte 0: text ends where a value is expected");
    check_refused("[]", "packed configuration: written by version unknown, this is " HX_VERSION);
    check_refused("{\"heimdex\":\"0.0.0\"}", "packed configuration: written by version 0.0.0, this is " HX_VERSION);
    check_refused("{\"heimdex\":\"" HX_VERSION "\"}", "packed configuration: service.environment is missing");
    _cleanup_free_ char *value = doctored("{\"text\":\"16\"", "{\"text\":\"0\"");
    check_refused(value, "default: Invalid worker.slots: 0 (must be 1-1024)");
    _cleanup_free_ char *unset = doctored("{\"text\":\"16\",", "{");
    check_refused(unset, "packed configuration: worker.slots has no value");
    _cleanup_free_ char *handler = doctored("\"type\":", "\"tpye\":");
    check_refused(handler, "packed configuration: a handler without its type");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(nothing_is_lost),
        scratch_test(environment_is_not_read_again),
        scratch_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
