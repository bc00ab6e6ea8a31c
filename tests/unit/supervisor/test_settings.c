#include "supervisor/settings.h"

#include "tests/unit/supervisor/scratch.h"

static void the_instance_follows_the_socket(void **s) {
    (void)s;
    static const struct {
        const char *variables[5];
        const char *instance;
    } cases[] = {
        { { NULL }, "main" },
        { { "HEIMDEX_SERVICE_INSTANCE", "blue", NULL }, "blue" },
        { { "HEIMDEX_SUPERVISOR_CONTROL_SOCKET", "/tmp/a/control", NULL }, "/tmp/a/control" },
        { { "HEIMDEX_SUPERVISOR_CONTROL_SOCKET", "/tmp/a/control", "HEIMDEX_SERVICE_INSTANCE", "blue", NULL }, "blue" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct hx_config *config = scratch_config(cases[i].variables);
        _cleanup_free_ char *instance = settings_instance(config);
        assert_string_equal(instance, cases[i].instance);
        hx_config_free(config);
    }
}

static void auto_is_what_stderr_is(void **s) {
    (void)s;
    struct stat st;
    char stream[64];
    int pipe_fds[2], before = dup(STDERR_FILENO);
    struct hx_config *config = scratch_config(NULL);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    dup2(pipe_fds[1], STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    enum hx_log_format in_pipe = settings_log_format(config);
    fstat(STDERR_FILENO, &st);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    enum hx_log_format in_journal = settings_log_format(config);
    setenv("JOURNAL_STREAM", "1:2", 1);
    enum hx_log_format elsewhere = settings_log_format(config);
    unsetenv("JOURNAL_STREAM");
    dup2(before, STDERR_FILENO);
    assert_int_equal(in_pipe, HX_LOG_JSON);
    assert_int_equal(in_journal, HX_LOG_JOURNAL);
    assert_int_equal(elsewhere, HX_LOG_JSON);
    hx_config_free(config);
    close(before);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void a_format_that_was_set_stays(void **s) {
    (void)s;
    for (enum hx_log_format f = HX_LOG_JOURNAL; f <= HX_LOG_TEXT; f++) {
        struct hx_config *config =
            scratch_config((const char *const[]){ "HEIMDEX_LOG_FORMAT", settings_log_format_name(f), NULL });
        assert_int_equal(settings_log_format(config), f);
        hx_config_free(config);
    }
}

static void times(void **s) {
    (void)s;
    struct hx_config *config = scratch_config(NULL);
    assert_int_equal(settings_still_ms(config), 7500);
    assert_in_range(settings_drain_ms(config), 35000, 36000);
    hx_config_free(config);
    config = scratch_config((const char *const[]){ "HEIMDEX_WORKER_LEASE", "1s", NULL });
    assert_true(settings_still_ms(config) > 1000); /* a pulse comes once a second */
    hx_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_instance_follows_the_socket),
        cmocka_unit_test(auto_is_what_stderr_is),
        cmocka_unit_test(a_format_that_was_set_stays),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
