#include "tests/unit/lib/config/scratch.h"

static void reads_entries(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *c = load(
        "handlers = (\n"
        "  { timeout = \"2m\"; type = \"thumbnail\"; exec = [\"/usr/lib/app/thumbnail\", \"--fast\", \"\"];\n"
        "    max_attempts = 3; backoff_base = 0; backoff_max = \"1h\"; concurrency = 4; memory_max = \"1G\";\n"
        "    cpu_max = 0.5; tasks_max = 64; queue = \"slow.1\"; },\n"
        "  { type = \"notify\"; url = \"http://127.0.0.1:9000/hook\"; secret_file = \"/etc/heimdex/hook.key\"; },\n"
        "  { type = \"big\"; exec = (\"/big\"); memory_max = 5368709120L; cpu_max = 2; },\n"
        "  { type = \"mock_process\"; queue = \"q\"; timeout = \"3s\"; concurrency = 1; max_attempts = 1; } );\n");
    size_t n;
    const struct hx_handler_config *h = hx_config_handlers(c, &n);
    assert_int_equal(n, 4);
    assert_string_equal(h[0].type, "thumbnail");
    assert_string_equal(h[0].queue, "slow.1");
    assert_string_equal(h[0].exec[0], "/usr/lib/app/thumbnail");
    assert_string_equal(h[0].exec[1], "--fast");
    assert_string_equal(h[0].exec[2], "");
    assert_null(h[0].exec[3]);
    assert_null(h[0].url);
    assert_int_equal(h[0].timeout_ms, 120000);
    assert_int_equal(h[0].max_attempts, 3);
    assert_int_equal(h[0].backoff_base_ms, 0);
    assert_int_equal(h[0].backoff_max_ms, 3600000);
    assert_int_equal(h[0].concurrency, 4);
    assert_int_equal(h[0].memory_max, 1 << 30);
    assert_true(h[0].cpu_max == 0.5);
    assert_int_equal(h[0].tasks_max, 64);
    assert_string_equal(c->handler_where[0] + strlen(scratch), "/main.conf:2");

    assert_string_equal(h[1].queue, "default");
    assert_null(h[1].exec);
    assert_string_equal(h[1].url, "http://127.0.0.1:9000/hook");
    assert_string_equal(h[1].secret_file, "/etc/heimdex/hook.key");
    assert_int_equal(h[1].timeout_ms, -1);
    assert_int_equal(h[1].backoff_base_ms, -1);
    assert_int_equal(h[1].backoff_max_ms, -1);
    assert_int_equal(h[1].max_attempts, -1);
    assert_int_equal(h[1].concurrency, -1);
    assert_int_equal(h[1].memory_max, -1);
    assert_int_equal(h[1].tasks_max, -1);
    assert_true(h[1].cpu_max == -1);

    assert_true(h[2].memory_max == INT64_C(5368709120));
    assert_true(h[2].cpu_max == 2);
    assert_null(h[3].exec);
    assert_null(h[3].url);
    assert_string_equal(h[3].queue, "q");
}

/* An entry {type = "t"; exec = ["/t"]; …} must be refused with this message behind "/main.conf:1: ". */
static void check(const char *members, const char *message) {
    _cleanup_free_ char *content = hx_printf("handlers = ( { type = \"t\"; exec = [\"/t\"]; %s } );", members);
    _cleanup_free_ char *whole = hx_printf("/main.conf:1: %s", message);
    check_complaint(content, whole);
}

/* The same for an entry on its own. */
static void check_entry(const char *entry, const char *message) {
    _cleanup_free_ char *content = hx_printf("handlers = ( %s );", entry);
    _cleanup_free_ char *whole = hx_printf("/main.conf:1: %s", message);
    check_complaint(content, whole);
}

static void wrong_members(void **s) {
    (void)s;
    check("timeuot = \"3s\";", "handler t: timeuot: unknown key, did you mean timeout?");
    check("timeout = 3;", "Invalid timeout of handler t: 3 (must be a duration such as \"30s\", 1ms to 365d)");
    check("timeout = 3.5;", "Invalid timeout of handler t: 3.5 (must be a duration such as \"30s\", 1ms to 365d)");
    check("timeout = \"0\";", "Invalid timeout of handler t: 0 (must be a duration such as \"30s\", 1ms to 365d)");
    check("timeout = true;",
          "Invalid timeout of handler t: no number (must be a duration such as \"30s\", 1ms to 365d)");
    check("max_attempts = 0;", "Invalid max_attempts of handler t: 0 (must be 1-1000)");
    check("max_attempts = 3.0;", "Invalid max_attempts of handler t: 3 (must be 1-1000)");
    check("max_attempts = \"3\";", "Invalid max_attempts of handler t: a string (must be 1-1000)");
    check("concurrency = -1;", "Invalid concurrency of handler t: -1 (must be 1-100000)");
    check("tasks_max = 0;", "Invalid tasks_max of handler t: 0 (must be 1-1000000)");
    check("memory_max = \"1K\";", "Invalid memory_max of handler t: 1K (must be a size such as \"512M\", 1M to 1024T)");
    check("memory_max = 5368709120;", "Invalid handlers.memory_max: 5368709120 (must be a number of 32 bits, or of 64 "
                                      "bits with L behind it)");
    check("cpu_max = 0;", "Invalid cpu_max of handler t: 0 (must be cores, such as 0.5, 0.01-4096)");
    check("cpu_max = 1e999;", "Invalid cpu_max of handler t: inf (must be cores, such as 0.5, 0.01-4096)");
    check("cpu_max = \"2\";", "Invalid cpu_max of handler t: no number (must be cores, such as 0.5, 0.01-4096)");
    check("queue = \"a/b\";", "Invalid queue of handler t: a/b (must be 1-100 letters, digits, '.', '_' and '-')");
    check("queue = \"\";",
          "Invalid queue of handler t: an empty string (must be 1-100 letters, digits, '.', '_' and '-')");
    check("queue = 5;", "Invalid queue of handler t: no string (must be 1-100 letters, digits, '.', '_' and '-')");
}

static void wrong_types(void **s) {
    (void)s;
    char name[102];
    memset(name, 'n', sizeof name);
    name[101] = '\0';
    _cleanup_free_ char *entry = hx_printf("{ type = \"%s\"; exec = [\"/x\"]; }", name);
    _cleanup_free_ char *message = hx_printf("Invalid type of handler (without a type): %s (must be 1-100 bytes of "
                                             "printable text without spaces)",
                                             name);
    check_entry(entry, message);
    check_entry("{ type = \"a b\"; exec = [\"/x\"]; }", "Invalid type of handler (without a type): a b (must be 1-100 "
                                                        "bytes of printable text without spaces)");
    check_entry("{ type = \"a\\nb\"; exec = [\"/x\"]; }",
                "Invalid type of handler (without a type): a?b (must be 1-100 "
                "bytes of printable text without spaces)");
    check_entry("{ exec = [\"/x\"]; }", "handler (without a type): type is missing");
    check_entry("5", "handler (without a type): must be a group: { type = …; … }");
    check_complaint("handlers = { };",
                    "/main.conf:1: Invalid handlers (must be a list of groups: ( { type = …; }, … ))");
    check_complaint("handlers = ( { type = \"a\"; exec = [\"/x\"]; },\n\n  { type = \"a\"; url = \"http://h\"; } );",
                    "/main.conf:3: handler a: the type has a handler already, at /main.conf:1");
    name[100] = '\0';
    _cleanup_free_ char *longest = hx_printf("handlers = ( { type = \"%s\"; exec = [\"/x\"]; } );", name);
    _cleanup_config_ struct hx_config *c = load(longest);
    assert_int_equal(c->handler_count, 1);
}

static void exec_and_url(void **s) {
    (void)s;
    static const char exec_must[] = "(must be a list of strings, the first an absolute path)";
    static const struct {
        const char *member, *got;
    } execs[] = {
        { "exec = [];", "an empty list" },
        { "exec = \"/x\";", "no list" },
        { "exec = [\"x\"];", "x" },
        { "exec = [\"\"];", "" },
        { "exec = (\"/x\", 5);", "an element that is no string" },
        { "exec = [5];", "an element that is no string" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(execs); i++) {
        _cleanup_free_ char *entry = hx_printf("{ type = \"t\"; %s }", execs[i].member);
        _cleanup_free_ char *message = hx_printf("Invalid exec of handler t: %s %s", execs[i].got, exec_must);
        check_entry(entry, message);
    }
    check("url = \"http://h\";", "handler t: has exec and url; it can have one");
    check("secret_file = \"/k\";", "handler t: secret_file goes with url only");
    check_entry("{ type = \"t\"; }", "handler t: needs exec or url");
    check_entry("{ type = \"t\"; url = \"ftp://h\"; }",
                "Invalid url of handler t: ftp://h (must be a URL: http://HOST or https://HOST)");
    check_entry("{ type = \"t\"; url = \"http://u:pw-of-hook@\\th\"; }",
                "Invalid url of handler t: http://***@?h (must be a URL: http://HOST or https://HOST)");
    check_entry("{ type = \"t\"; url = \"http://h\"; secret_file = \"k\"; }",
                "Invalid secret_file of handler t: k (must be an absolute path)");
    check_entry("{ type = \"t\"; url = \"http://h\"; tasks_max = 5; }",
                "handler t: memory_max, cpu_max and tasks_max go with exec only");
}

static void builtin(void **s) {
    (void)s;
    static const char message[] =
        "handler mock_process: is built in: its entry may set limits and the queue, not exec or url";
    check_entry("{ type = \"mock_process\"; exec = [\"/x\"]; }", message);
    check_entry("{ type = \"mock_process\"; url = \"http://h\"; }", message);
    check_entry("{ type = \"mock_process\"; memory_max = \"1G\"; }",
                "handler mock_process: memory_max, cpu_max and tasks_max go with exec only");
}

static void many(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf content = { 0 };
    hx_buf_puts(&content, "handlers = (");
    for (int i = 0; i < 1000; i++)
        hx_buf_printf(&content, "%s{ type = \"t%d\"; exec = [\"/t%d\"]; }", i ? "," : "", i, i);
    hx_buf_puts(&content, ");");
    _cleanup_config_ struct hx_config *c = load(content.data);
    assert_int_equal(c->handler_count, 1000);
    assert_string_equal(c->handlers[0].exec[0], "/t0");
    assert_string_equal(c->handlers[999].type, "t999");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(reads_entries), scratch_test(wrong_members), scratch_test(wrong_types),
        scratch_test(exec_and_url),  scratch_test(builtin),       scratch_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
