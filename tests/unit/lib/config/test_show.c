#include "tests/unit/lib/config/scratch.h"

#include "lib/json/json.h"

static const char content[] =
    "worker = { slots = 4; };\n"
    "postgres = { port = 5432; user = \"heimdex\"; password = \"heimdex\"; };\n"
    "kafka = { foreign = true; properties = [ \"sasl.password=very-secret\", \"a=b\" ]; };\n"
    "handlers = ( { type = \"t\"; exec = [\"/t\", \"password=very-secret\"]; timeout = \"90s\"; cpu_max = 0.5;\n"
    "    max_attempts = 2; memory_max = \"2G\"; },\n"
    "  { type = \"u\"; url = \"http://me:url-secret@h/\"; secret_file = \"/k\"; } );\n";

/* The line is there, the scratch folder's path left out. */
static void check_line(const char *text, const char *line) {
    _cleanup_free_ char *whole = hx_strdup(text);
    for (char *at; (at = strstr(whole, scratch));)
        memmove(at, at + strlen(scratch), strlen(at + strlen(scratch)) + 1);
    const char *found = strstr(whole, line);
    if (!found || (found > whole && found[-1] != '\n') || found[strlen(line)] != '\n')
        fail_msg("no line \"%s\" in\n%s", line, whole);
}

static void lines(void **s) {
    (void)s;
    setenv("REDIS_URL", "redis://:redis-secret@h", 1);
    setenv("HEIMDEX_LOG_FORMAT", "json", 1);
    _cleanup_config_ struct hx_config *c = load(content);
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_config_show(c, &out);
    check_line(out.data, "worker.slots = 4   # /main.conf:1");
    check_line(out.data, "worker.lease = \"15s\"   # default");
    check_line(out.data, "postgres.host = (unset)   # default: libpq's");
    check_line(out.data, "postgres.port = 5432   # /main.conf:2");
    check_line(out.data, "postgres.user = \"heimdex\"   # /main.conf:2"); /* though the password is the same word */
    check_line(out.data, "postgres.password = \"***\"   # /main.conf:2");
    check_line(out.data, "kafka.topic_prefix = \"heimdex\"   # default");
    check_line(out.data, "kafka.foreign = \"on\"   # /main.conf:3");
    check_line(out.data, "kafka.properties = [\"sasl.password=***\", \"a=b\"]   # /main.conf:3");
    check_line(out.data, "log.format = \"json\"   # environment HEIMDEX_LOG_FORMAT");
    check_line(out.data, "redis.url = \"redis://***@h\"   # environment REDIS_URL");
    check_line(out.data,
               "handlers += { type = \"t\"; exec = [\"/t\", \"password=***\"]; queue = \"default\"; timeout = "
               "\"90s\"; max_attempts = 2; memory_max = \"2G\"; cpu_max = 0.5; }   # /main.conf:4");
    check_line(out.data, "handlers += { type = \"u\"; url = \"http://***@h/\"; secret_file = \"/k\"; queue = "
                         "\"default\"; }   # /main.conf:6");
    assert_null(strstr(out.data, "-secret"));
}

static void json(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *c = load(content);
    _cleanup_buf_ struct hx_buf out = { 0 };
    _cleanup_json_ json_t *object = NULL;
    struct hx_json_error e;
    hx_config_show_json(c, &out);
    assert_int_equal(hx_json_parse(out.data, out.len, &object, &e), 0);
    assert_int_equal(json_object_size(object), HX_KEYS + 1);
    assert_int_equal(json_integer_value(json_object_get(object, "worker.slots")), 4);
    assert_string_equal(json_string_value(json_object_get(object, "worker.lease")), "15s");
    assert_true(json_is_true(json_object_get(object, "kafka.foreign")));
    assert_true(json_is_null(json_object_get(object, "postgres.host")));
    assert_string_equal(json_string_value(json_object_get(object, "postgres.password")), "***");
    assert_int_equal(json_array_size(json_object_get(object, "kafka.properties")), 2);
    assert_int_equal(json_array_size(json_object_get(object, "handlers")), 2);
    assert_null(strstr(out.data, "-secret"));
}

static void brief(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *untouched = load("");
    _cleanup_buf_ struct hx_buf nothing = { 0 };
    hx_config_show_brief(untouched, &nothing);
    assert_int_equal(nothing.len, 0);
    setenv("REDIS_URL", "redis://:redis-secret@h", 1);
    setenv("PGHOST", "/var/run/my postgres", 1);
    _cleanup_config_ struct hx_config *c = load(content);
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_config_show_brief(c, &out);
    assert_string_equal(out.data,
                        "postgres.host=\"/var/run/my postgres\" postgres.port=5432 postgres.user=heimdex "
                        "postgres.password=*** kafka.properties=[\"sasl.password=***\", \"a=b\"] kafka.foreign=on "
                        "worker.slots=4 redis.url=redis://***@h handlers=[t, u]");
    /* in a child the same */
    _cleanup_buf_ struct hx_buf packed = { 0 }, again = { 0 };
    struct hx_config_error e;
    struct hx_config *child = NULL;
    hx_config_pack(c, &packed);
    assert_int_equal(hx_config_unpack(packed.data, packed.len, &child, &e), 0);
    hx_config_show_brief(child, &again);
    assert_string_equal(again.data, out.data);
    hx_config_free(child);
}

/* The member of the document, and where it came from, the scratch folder's path left out. */
static const json_t *value_from(const json_t *object, const char *source) {
    const char *found = json_string_value(json_object_get(object, "source"));
    assert_int_equal(json_object_size(object), 2);
    assert_string_equal(hx_startswith(found, scratch) ? found + strlen(scratch) : found, source);
    return json_object_get(object, "value");
}

static void document(void **s) {
    (void)s;
    setenv("HEIMDEX_LOG_FORMAT", "json", 1);
    _cleanup_config_ struct hx_config *c = load(content);
    _cleanup_buf_ struct hx_buf out = { 0 };
    _cleanup_json_ json_t *object = NULL;
    struct hx_json_error e;
    hx_config_show_document(c, &out);
    assert_int_equal(strcspn(out.data, "\n"), out.len - 1);
    assert_int_equal(hx_json_parse(out.data, out.len, &object, &e), 0);
    assert_int_equal(json_object_size(object), HX_KEYS + 1);
    assert_int_equal(json_integer_value(value_from(json_object_get(object, "worker.slots"), "/main.conf:1")), 4);
    assert_true(json_is_true(value_from(json_object_get(object, "kafka.foreign"), "/main.conf:3")));
    assert_true(json_is_null(value_from(json_object_get(object, "postgres.host"), "default")));
    assert_string_equal(
        json_string_value(value_from(json_object_get(object, "log.format"), "environment HEIMDEX_LOG_FORMAT")), "json");
    const json_t *handlers = json_object_get(object, "handlers"),
                 *t = value_from(json_array_get(handlers, 0), "/main.conf:4");
    assert_int_equal(json_array_size(handlers), 2);
    assert_string_equal(json_string_value(json_object_get(t, "timeout")), "90s");
    assert_int_equal(json_array_size(json_object_get(t, "exec")), 2);
    assert_int_equal(json_integer_value(json_object_get(t, "max_attempts")), 2);
    assert_true(json_real_value(json_object_get(t, "cpu_max")) == 0.5);
    assert_string_equal(
        json_string_value(json_object_get(value_from(json_array_get(handlers, 1), "/main.conf:6"), "url")),
        "http://***@h/");
    assert_null(strstr(out.data, "-secret"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(lines),
        scratch_test(json),
        scratch_test(brief),
        scratch_test(document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
