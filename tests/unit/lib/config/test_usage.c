#include "tests/unit/lib/config/scratch.h"

#include "lib/config/usage.h"

static const struct hx_option options[] = {
    { "json", 'j', NULL, "print JSON", NULL },
    { "a-very-long-option", 0, "VALUE", "its help starts on a line of its own", NULL },
    { "payload", 'p', "JSON|@FILE|-",
      "the payload of the job as JSON, or from a file, or from standard input, in so many words that a line is full",
      NULL },
};

static const struct hx_program program = {
    .name = "heimdex-test",
    .synopsis = "TYPE [--payload JSON|@FILE|-] [--org UUID] [--priority N] [--key KEY] [--requested-by WHO] "
                "[--delay D | --at TIME]",
    .description = "Does something.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
    .epilogue = "More.",
};

static void whole_text(void **s) {
    (void)s;
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_usage(&program, &out);
    assert_string_equal(
        out.data,
        "Usage: heimdex-test TYPE [--payload JSON|@FILE|-] [--org UUID] [--priority N] [--key KEY]\n"
        "       [--requested-by WHO] [--delay D | --at TIME]\n"
        "\n"
        "Does something.\n"
        "\n"
        "Options:\n"
        "  -j, --json                print JSON\n"
        "      --a-very-long-option VALUE\n"
        "                            its help starts on a line of its own\n"
        "  -p, --payload JSON|@FILE|-\n"
        "                            the payload of the job as JSON, or from a file, or from standard input,\n"
        "                            in so many words that a line is full\n"
        "\n"
        "Common options:\n"
        "      --config FILE         read FILE instead of $HEIMDEX_CONFIG or /etc/heimdex/heimdex.conf\n"
        "      --show-config         print each configuration value, with where it came from\n"
        "      --check-config        check the configuration and exit\n"
        "  -h, --help                print this text\n"
        "      --version             print the version\n"
        "\n"
        "More.\n"
        "\n"
        "Configuration:\n"
        "  Every key of the file can be set in the environment: section.key is HEIMDEX_SECTION_KEY, and the\n"
        "  environment wins. --show-config lists all keys; heimdex.conf(5) explains them.\n");
}

static void bare_program(void **s) {
    (void)s;
    static const struct hx_program bare = { .name = "heimdex-bare" };
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_usage(&bare, &out);
    assert_true(hx_startswith(out.data, "Usage: heimdex-bare [OPTION]...\n\nCommon options:\n"));
    assert_string_equal(hx_usage_nearest(&bare, "verion"), "version");
}

static void nearest(void **s) {
    (void)s;
    assert_string_equal(hx_usage_nearest(&program, "jsn"), "json");
    assert_string_equal(hx_usage_nearest(&program, "payloadd"), "payload");
    assert_string_equal(hx_usage_nearest(&program, "confg"), "config");
    assert_string_equal(hx_usage_nearest(&program, "config-f"), "config"); /* config-fd is nobody's business */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_text),
        cmocka_unit_test(bare_program),
        cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
