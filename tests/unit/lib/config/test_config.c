#include "tests/unit/lib/config/scratch.h"

static void which_file(void **s) {
    (void)s;
    struct hx_config_error e;
    _cleanup_config_ struct hx_config *named = NULL, *from_variable = NULL, *neither = NULL;
    put("a.conf", "worker = { slots = 1; };");
    put("b.conf", "worker = { slots = 2; };");
    setenv("HEIMDEX_CONFIG", in_scratch("b.conf"), 1);
    assert_int_equal(hx_config_load(in_scratch("a.conf"), &named, &e), 0);
    assert_int_equal(hx_config_int(named, HX_WORKER_SLOTS), 1);
    assert_string_equal(hx_config_file(named), in_scratch("a.conf"));
    assert_int_equal(hx_config_load(NULL, &from_variable, &e), 0);
    assert_int_equal(hx_config_int(from_variable, HX_WORKER_SLOTS), 2);
    assert_string_equal(hx_config_file(from_variable), in_scratch("b.conf"));
    setenv("HEIMDEX_CONFIG", in_scratch("none.conf"), 1);
    assert_string_equal(complaint_of(NULL, -ENOENT), "/none.conf: No such file or directory");
    assert_string_equal(complaint_of("/", -EISDIR), "/: Is a directory");
    setenv("HEIMDEX_CONFIG", "", 1);
    if (access("/etc/heimdex", F_OK) != 0) { /* a host without an installation: environment and defaults */
        assert_int_equal(hx_config_load(NULL, &neither, &e), 0);
        assert_int_equal(hx_config_int(neither, HX_WORKER_SLOTS), 16);
        assert_null(hx_config_file(neither));
    }
}

static void auth_none_wants_loopback(void **s) {
    (void)s;
    static const char *const good[] = { "127.0.0.1:80", "127.8.9.1:80", "[::1]:80", "localhost:80" };
    for (size_t i = 0; i < HX_ARRAY_LEN(good); i++) {
        _cleanup_free_ char *content = hx_printf("api = { auth = \"none\"; listen = \"%s\"; };", good[i]);
        _cleanup_config_ struct hx_config *c = load(content);
        assert_int_equal(hx_config_int(c, HX_API_AUTH), 1);
    }
    check_complaint("api = { auth = \"none\";\n listen = \"0.0.0.0:80\"; };",
                    "/main.conf:1: Invalid api.auth: none (must be token unless api.listen is loopback; it is "
                    "0.0.0.0:80, from /main.conf:2)");
    setenv("HEIMDEX_API_AUTH", "none", 1);
    check_complaint("api = { listen = \"127.evil.example:80\"; };",
                    "environment HEIMDEX_API_AUTH: Invalid api.auth: none (must be token unless api.listen is "
                    "loopback; it is 127.evil.example:80, from /main.conf:1)");
}

static void names_of_keys(void **s) {
    (void)s;
    assert_string_equal(hx_config_key_name(HX_WORKER_SLOTS), "worker.slots");
    assert_true(hx_config_key_is_fixed(HX_API_LISTEN));
    assert_true(hx_config_key_is_fixed(HX_SUPERVISOR_CONTROL_SOCKET));
    assert_false(hx_config_key_is_fixed(HX_WORKER_SLOTS));
}

static void reload_keeps_what_is_fixed(void **s) {
    (void)s;
    struct hx_config_error e = { "" };
    _cleanup_buf_ struct hx_buf names = { 0 };
    _cleanup_config_ struct hx_config *running =
        load("api = { listen = \"127.0.0.1:81\"; };\npostgres = { host = \"a\"; };\nworker = { slots = 1; };");
    _cleanup_config_ struct hx_config *fresh =
        load("\napi = { listen = \"127.0.0.1:82\"; };\npostgres = { user = \"u\"; };\nworker = { slots = 2; };");
    assert_int_equal(hx_config_keep_fixed(fresh, running, &names, &e), 0);
    assert_string_equal(names.data, "postgres.host, api.listen");
    assert_string_equal(hx_config_string(fresh, HX_API_LISTEN), "127.0.0.1:81");
    assert_string_equal(fresh->values[HX_API_LISTEN].where, running->values[HX_API_LISTEN].where);
    assert_int_equal(hx_config_int(fresh, HX_WORKER_SLOTS), 2);
    const char *const *keywords, *const *values;
    hx_config_postgres(fresh, &keywords, &values);
    assert_string_equal(keywords[0], "host");
    assert_string_equal(values[0], "a");
    assert_string_equal(keywords[1], "user");
    assert_null(keywords[2]);

    _cleanup_config_ struct hx_config *open = load("api = { listen = \"0.0.0.0:80\"; };");
    _cleanup_config_ struct hx_config *none = load("api = { auth = \"none\"; };");
    assert_int_equal(hx_config_keep_fixed(none, open, &names, &e), -EINVAL);
    assert_non_null(strstr(e.message, "must be token unless api.listen is loopback"));
}

static void errors_are_one_line(void **s) {
    (void)s;
    struct hx_config_error e;
    char longest[1000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(hx_config_fail(&e, -5, "a\nb\t\x7f %s", longest), -5);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    assert_true(hx_startswith(e.message, "a?b?? xxx"));
    assert_null(hx_config_free(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(which_file),          scratch_test(auth_none_wants_loopback),
        scratch_test(names_of_keys),       scratch_test(reload_keeps_what_is_fixed),
        scratch_test(errors_are_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
