#include "tests/unit/lib/config/scratch.h"

#include "common/exit_codes.h"
#include "lib/config/program.h"

#include <sys/mman.h>

static bool is_duration(const char *word) {
    return *word >= '0' && *word <= '9';
}

static const struct hx_option options[] = {
    { "json", 'j', NULL, "print JSON", NULL },
    { "limit", 'n', "N", "at most N", NULL },
    { "wait", 0, "[D]", "wait for the end, at most D", is_duration },
    { "fail", 0, NULL, "a callback's own exit code", NULL },
};

/* What a program of its own checks: the callback's text says what it was given. */
static int checked(const struct hx_config *config, void *user) {
    snprintf(user, 512, "checks %s ", hx_config_string(config, HX_WORKER_SLOTS));
    return hx_config_int(config, HX_WORKER_SLOTS) == 4 ? HX_EXIT_CONFIG : 0;
}

static const struct hx_program program = {
    .name = "heimdex-test",
    .synopsis = "WORD...",
    .description = "A program.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
    .check = checked,
};

/* A run of hx_program_start: what it returned, printed, and told the callback ("json limit=5 wait word word"). */
struct run {
    int result;
    char told[512], out[16384], err[2048];
    struct hx_config *config;
};

static int told(size_t index, const char *value, void *user) {
    char *line = user;
    size_t n = strlen(line);
    snprintf(line + n, 512 - n, "%s%s%s ", options[index].name, value ? "=" : "", value ? value : "");
    return hx_streq(options[index].name, "fail") ? HX_EXIT_DATA : 0;
}

/* Sends fd to a memory file; returns the old descriptor. */
static int divert(int fd, int *ret_file) {
    int kept = dup(fd);
    *ret_file = memfd_create("diverted", MFD_CLOEXEC);
    assert_true(kept >= 0 && *ret_file >= 0 && dup2(*ret_file, fd) == fd);
    return kept;
}

static void restore(int fd, int kept, int file, char *text, size_t size) {
    fflush(NULL);
    ssize_t n = pread(file, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    dup2(kept, fd);
    close(kept);
    close(file);
}

/* Words are separated by single spaces. */
static struct run *start(const char *line) {
    static struct run run;
    static char words[1024], *argv[32];
    struct hx_arguments arguments;
    int argc = 0, out, err;
    hx_config_free(run.config);
    memset(&run, 0, sizeof run);
    snprintf(words, sizeof words, "heimdex-test %s", line);
    char *rest = words;
    while ((argv[argc] = strsep(&rest, " ")))
        argc += *argv[argc] != '\0';
    argv[argc] = NULL;
    fflush(NULL);
    int kept_out = divert(1, &out), kept_err = divert(2, &err);
    run.result = hx_program_start(&program, argc, argv, told, run.told, &arguments);
    restore(1, kept_out, out, run.out, sizeof run.out);
    restore(2, kept_err, err, run.err, sizeof run.err);
    run.config = arguments.config;
    size_t n = strlen(run.told);
    for (int i = 0; run.result < 0 && i < arguments.word_count; i++)
        n += (size_t)snprintf(run.told + n, sizeof run.told - n, "%s ", arguments.words[i]);
    return &run;
}

static void check_words(const char *line, const char *wanted) {
    struct run *run = start(line);
    if (run->result != -1)
        fail_msg("%s: %d, %s", line, run->result, run->err);
    assert_string_equal(run->told, wanted);
    assert_string_equal(run->out, "");
    assert_string_equal(run->err, "");
    assert_non_null(run->config);
    run->config = hx_config_free(run->config);
}

static void words_and_options(void **s) {
    (void)s;
    setenv("HEIMDEX_CONFIG", "/dev/null", 1);
    check_words("", "");
    check_words("a b", "a b ");
    check_words("a --json b --limit 5 c --limit=6", "json limit=5 limit=6 a b c ");
    check_words("-j -n 5 -n6 -jn7 -jj", "json limit=5 limit=6 json limit=7 json json ");
    check_words("a -- --json -j --", "a --json -j -- ");
    check_words("- -1 -12 +1", "- -1 -12 +1 ");
    check_words("--limit - --limit --json --limit=", "limit=- limit=--json limit= ");
    check_words("--limit -- x", "limit=-- x ");
    check_words("--wait", "wait ");
    check_words("--wait 5s x", "wait=5s x ");
    check_words("--wait x 5s", "wait x 5s ");
    check_words("--wait --json --wait=7s", "wait json wait=7s ");
    check_words("--wait=x --wait=", "wait=x wait= "); /* whose option it is says what is wrong with them */
}

static void check_usage(const char *line, const char *message) {
    struct run *run = start(line);
    assert_int_equal(run->result, HX_EXIT_USAGE);
    assert_string_equal(run->err, message);
    assert_string_equal(run->out, "");
    assert_null(run->config);
}

static void usage_errors(void **s) {
    (void)s;
    check_usage("--jsn", "heimdex-test: --jsn: unknown option, did you mean --json?\n");
    check_usage("--limt=5", "heimdex-test: --limt: unknown option, did you mean --limit?\n");
    check_usage("--chek-config", "heimdex-test: --chek-config: unknown option, did you mean --check-config?\n");
    check_usage("--js", "heimdex-test: --js: unknown option, did you mean --json?\n"); /* no abbreviations */
    check_usage("-jz", "heimdex-test: -z: unknown option, --help lists all\n");
    check_usage("--limit", "heimdex-test: --limit: needs a value: N\n");
    check_usage("-n", "heimdex-test: --limit: needs a value: N\n");
    check_usage("--json=1", "heimdex-test: --json: takes no value\n");
    check_usage("--config", "heimdex-test: --config: needs a value: FILE\n");
    check_usage("--config=", "heimdex-test: --config: needs a FILE\n");
    check_usage("--config-fd x", "heimdex-test: --config-fd: x: must be the number of a descriptor\n");
    check_usage("--a\tb", "heimdex-test: --a?b: unknown option, --help lists them\n");
    struct run *run = start("--json --fail --limit");
    assert_int_equal(run->result, HX_EXIT_DATA);
    assert_string_equal(run->told, "json fail ");
}

static void help_and_version(void **s) {
    (void)s;
    setenv("HEIMDEX_CONFIG", "/nonexistent", 1); /* neither needs a configuration */
    struct run *run = start("--version");
    assert_int_equal(run->result, HX_EXIT_OK);
    assert_string_equal(run->out, "heimdex-test " HX_VERSION "\n");
    run = start("x --help");
    assert_int_equal(run->result, HX_EXIT_OK);
    assert_true(hx_startswith(run->out, "Usage: heimdex-test WORD...\n\nA program.\n\nOptions:\n"));
    assert_string_equal(run->err, "");
    assert_string_equal(start("-h")->out, run->out);
}

static void check_and_show(void **s) {
    (void)s;
    put("main.conf", "worker = { slots = 3; };\npostgres = { password = \"not-shown\"; };");
    _cleanup_free_ char *check = hx_printf("--config %s --check-config", in_scratch("main.conf"));
    _cleanup_free_ char *show = hx_printf("--show-config --config=%s", in_scratch("main.conf"));
    struct run *run = start(check);
    assert_int_equal(run->result, HX_EXIT_OK);
    assert_string_equal(run->out, "heimdex-test: configuration ok\n");
    assert_string_equal(run->told, "checks 3 ");
    assert_null(run->config);
    setenv("HEIMDEX_WORKER_SLOTS", "4", 1);
    run = start(check);
    assert_int_equal(run->result, HX_EXIT_CONFIG);
    assert_string_equal(run->out, "");
    unsetenv("HEIMDEX_WORKER_SLOTS");
    run = start(show);
    assert_string_equal(run->told, ""); /* it shows what can't be used, too */
    assert_int_equal(run->result, HX_EXIT_OK);
    _cleanup_free_ char *line = hx_printf("\nworker.slots = 3   # %s:1\n", in_scratch("main.conf"));
    assert_non_null(strstr(run->out, line));
    assert_null(strstr(run->out, "not-shown"));
}

static void checks_at_start(void **s) {
    (void)s;
    struct hx_program daemon = program;
    struct hx_arguments arguments;
    char told_text[512] = "", *argv[] = { (char *)"heimdex-test", NULL };
    put("main.conf", "worker = { slots = 4; };");
    setenv("HEIMDEX_CONFIG", in_scratch("main.conf"), 1);
    assert_int_equal(hx_program_start(&program, 1, argv, told, told_text, &arguments), -1);
    assert_string_equal(told_text, "");
    daemon.checks_at_start = true;
    _cleanup_buf_ struct hx_buf packed = { 0 };
    hx_config_pack(arguments.config, &packed);
    hx_config_free(arguments.config);
    assert_int_equal(hx_program_start(&daemon, 1, argv, told, told_text, &arguments), HX_EXIT_CONFIG);
    assert_string_equal(told_text, "checks 4 ");
    assert_null(arguments.config);

    *told_text = '\0';
    int fd = memfd_create("packed", MFD_CLOEXEC);
    assert_int_equal(write(fd, packed.data, packed.len), packed.len);
    _cleanup_free_ char *number = hx_printf("%d", fd);
    char *handed[] = { (char *)"heimdex-test", (char *)"--config-fd", number, NULL };
    assert_int_equal(hx_program_start(&daemon, 3, handed, told, told_text, &arguments), -1);
    assert_string_equal(told_text, ""); /* our parent had it checked */
    hx_config_free(arguments.config);
    close(fd);
}

static void check_looks_for_programs(void **s) {
    (void)s;
    put("plain", "");
    _cleanup_free_ char *content =
        hx_printf("handlers = ( { type = \"a\"; exec = [\"/bin/sh\"]; },\n"
                  "{ type = \"b\"; exec = [\"/nonexistent/program\", \"x\"]; },\n"
                  "{ type = \"c\"; exec = [\"%s\"]; }, { type = \"d\"; exec = [\"/tmp\"]; },\n"
                  "{ type = \"e\"; url = \"http://h\"; } );",
                  in_scratch("plain"));
    put("main.conf", content);
    const char *file = in_scratch("main.conf");
    _cleanup_free_ char *check = hx_printf("--config %s --check-config", file);
    _cleanup_free_ char *plain = hx_printf("--config %s", file);
    _cleanup_free_ char *warnings = hx_printf(
        "heimdex-test: warning: %s:2: handler b: exec: /nonexistent/program: No such file or directory\n"
        "heimdex-test: warning: %s:3: handler c: exec: %s: is not executable\n"
        "heimdex-test: warning: %s:3: handler d: exec: /tmp: is no file\n"
        "heimdex-test: warning: %s:4: handler e: url: this version serves no jobs by HTTP; they stay queued\n",
        file, file, in_scratch("plain"), file, file);
    struct run *run = start(check);
    assert_int_equal(run->result, HX_EXIT_OK);
    assert_string_equal(run->err, warnings);
    assert_string_equal(run->out, "heimdex-test: configuration ok\n");
    run = start(plain); /* every other run of every tool needn't hear of it */
    assert_int_equal(run->result, -1);
    assert_string_equal(run->err, "");
    run->config = hx_config_free(run->config);
}

static void shows_json(void **s) {
    (void)s;
    setenv("HEIMDEX_CONFIG", "/dev/null", 1);
    static const char begin[] = "{\"service.environment\":{\"value\":\"local\",\"source\":\"default\"},";
    static const char *const lines[] = { "--show-config --json", "--json x --show-config" };
    for (size_t i = 0; i < HX_ARRAY_LEN(lines); i++) {
        struct run *run = start(lines[i]);
        assert_int_equal(run->result, HX_EXIT_OK);
        assert_true(hx_startswith(run->out, begin));
    }
    static const struct hx_program bare = { .name = "heimdex-bare" };
    struct hx_arguments arguments;
    char text[16384], err[256], *shows[] = { (char *)"heimdex-bare", (char *)"--json", (char *)"--show-config", NULL };
    fflush(NULL);
    int file, kept = divert(1, &file), err_file, kept_err = divert(2, &err_file);
    int shown = hx_program_start(&bare, 3, shows, NULL, NULL, &arguments);
    int alone = hx_program_start(&bare, 2, (char *[]){ (char *)"heimdex-bare", (char *)"--json", NULL }, NULL, NULL,
                                 &arguments);
    restore(1, kept, file, text, sizeof text);
    restore(2, kept_err, err_file, err, sizeof err);
    assert_int_equal(shown, HX_EXIT_OK);
    assert_true(hx_startswith(text, begin));
    assert_int_equal(alone, HX_EXIT_USAGE);
    assert_string_equal(err, "heimdex-bare: --json: only with --show-config\n");
}

static void bad_configuration(void **s) {
    (void)s;
    put("main.conf", "worker = { slots = 3; };");
    _cleanup_free_ char *check = hx_printf("--config %s --check-config", in_scratch("main.conf"));
    setenv("PGPORT", "99999", 1);
    struct run *run = start(check);
    assert_int_equal(run->result, HX_EXIT_CONFIG);
    assert_string_equal(run->err, "heimdex-test: environment PGPORT: postgres.port: Invalid PostgreSQL port: 99999 "
                                  "(must be 1-65535)\n");
    _cleanup_free_ char *missing = hx_printf("--config %s", in_scratch("missing.conf"));
    run = start(missing);
    assert_int_equal(run->result, HX_EXIT_CONFIG);
    _cleanup_free_ char *complaint =
        hx_printf("heimdex-test: %s: No such file or directory\n", in_scratch("missing.conf"));
    assert_string_equal(run->err, complaint);
}

static void warnings(void **s) {
    (void)s;
    setenv("HEIMDEX_CONFIG", "/dev/null", 1);
    setenv("HEIMDEX_WORKER_SLOTZ", "3", 1);
    struct run *run = start("x");
    assert_int_equal(run->result, -1);
    assert_string_equal(run->err, "heimdex-test: warning: environment HEIMDEX_WORKER_SLOTZ: unknown, ignoring; did you "
                                  "mean HEIMDEX_WORKER_SLOTS?\n");
    run->config = hx_config_free(run->config);
}

static void packed(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *c = load("worker = { slots = 3; };");
    _cleanup_buf_ struct hx_buf text = { 0 };
    hx_config_pack(c, &text);
    _cleanup_close_ int fd = memfd_create("packed", MFD_CLOEXEC);
    assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len); /* the offset is at the end now */
    setenv("HEIMDEX_WORKER_SLOTZ", "3", 1);
    setenv("HEIMDEX_WORKER_SLOTS", "9", 1);
    _cleanup_free_ char *line = hx_printf("--config-fd %d x", fd);
    for (int i = 0; i < 2; i++) { /* a descriptor serves several children */
        struct run *run = start(line);
        assert_int_equal(run->result, -1);
        assert_string_equal(run->err, "");
        assert_string_equal(run->told, "x ");
        assert_int_equal(hx_config_int(run->config, HX_WORKER_SLOTS), 3);
        run->config = hx_config_free(run->config);
    }
    struct run *run = start("--config-fd 999");
    assert_int_equal(run->result, HX_EXIT_CONFIG);
    assert_string_equal(run->err, "heimdex-test: --config-fd 999: Bad file descriptor\n");
}

static void nowhere_to_print(void **s) {
    (void)s;
    char *argv[] = { (char *)"heimdex-test", (char *)"--version", NULL };
    struct hx_arguments arguments;
    fflush(NULL);
    int kept = dup(1), full = open("/dev/full", O_WRONLY | O_CLOEXEC), err, kept_err = divert(2, &err);
    char text[256];
    dup2(full, 1);
    int r = hx_program_start(&program, 2, argv, NULL, NULL, &arguments);
    dup2(kept, 1);
    close(kept);
    close(full);
    restore(2, kept_err, err, text, sizeof text);
    assert_int_equal(r, HX_EXIT_UNAVAILABLE);
    assert_string_equal(text, "heimdex-test: standard output: No space left on device\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(words_and_options), scratch_test(usage_errors),
        scratch_test(help_and_version),  scratch_test(check_and_show),
        scratch_test(checks_at_start),   scratch_test(check_looks_for_programs),
        scratch_test(shows_json),        scratch_test(bad_configuration),
        scratch_test(warnings),          scratch_test(packed),
        scratch_test(nowhere_to_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
