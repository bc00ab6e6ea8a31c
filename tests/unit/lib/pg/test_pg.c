/* Making the connection: refused, frozen, moved on, and what the session is like. */
#include "tests/unit/lib/pg/live.h"

#include "tests/unit/lib/pg/fake_server.h"

#include <errno.h>

static const struct hx_pg_options defaults = { .timeout_ms = 5000, .depth = 4, .application_name = "test_pg" };
static const struct hx_pg_stmt one = { "one", "select 1::int8" };

static void open_at(struct live *l, const char *host, const char *port, int64_t timeout_ms, bool fail_fast) {
    struct hx_pg_options options = defaults;
    options.timeout_ms = timeout_ms;
    options.fail_fast = fail_fast;
    live_open_at(l, host, port, options);
}

/* --- connecting --- */

static void bad_options_are_refused(void **state) {
    (void)state;
    struct live l = { 0 };
    assert_int_equal(hx_loop_new(&l.loop), 0);
    struct hx_pg_options options = defaults;
    options.depth = 17;
    assert_int_equal(hx_pg_new(l.loop, &options, NULL, NULL, &l.pg), -EINVAL);
    live_close(&l);
}

static void a_refused_connection_fails_fast(void **state) {
    (void)state;
    char port[8];
    int nobody = fake_refuse(port);
    struct live l;
    open_at(&l, "127.0.0.1", port, 5000, true);
    struct outcome o;
    int64_t start = hx_mono_ms();
    assert_int_equal(live_run(&l, &one, &o), HX_PG_UNAVAILABLE);
    assert_true(hx_mono_ms() - start < 5000); /* the timeout */
    assert_non_null(strstr(o.error.message, "refused"));
    assert_false(o.error.in_doubt);
    assert_int_equal(l.downs, 1);
    live_close(&l);
    close(nobody);
}

static void a_refused_connection_is_tried_until_the_deadline(void **state) {
    (void)state;
    char port[8];
    int nobody = fake_refuse(port);
    struct live l;
    open_at(&l, "127.0.0.1", port, 5000, false);
    struct outcome o;
    int64_t start = hx_mono_ms();
    live_submit(&l, &one, 1200, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_in_range(hx_mono_ms() - start, 1150, 4999); /* the connection's own timeout is later */
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_non_null(strstr(o.error.message, "refused"));
    assert_false(o.error.in_doubt);
    assert_int_equal(l.downs, 1); /* told once, not for each attempt */
    live_close(&l);
    close(nobody);
}

static void an_unusable_keyword_is_said(void **state) {
    (void)state;
    const char *keywords[] = { "hots", NULL }, *values[] = { "x", NULL };
    struct hx_pg_options options = defaults;
    options.keywords = keywords;
    options.values = values;
    options.fail_fast = true;
    struct live l;
    live_open(&l, &options);
    struct outcome o;
    assert_int_equal(live_run(&l, &one, &o), HX_PG_OTHER);
    assert_non_null(strstr(o.error.message, "hots"));
    live_close(&l);
}

/* Every connection is refused with this, until the fake is mute. */
static void start_refusing(struct fake *f) {
    static const char answer[] =
        "E\0\0\0\x68SSCHWERWIEGEND\0VFATAL\0C28P01\0MPasswort-Authentifizierung f\xc3\xbcr Benutzer fehlgeschlagen\0"
        "Fauth.c\0L1\0R1\0\0";
    static char fixed[sizeof answer];
    memcpy(fixed, answer, sizeof answer);
    *f = (struct fake){ .answer = fixed, .answer_len = sizeof answer - 1 };
    fixed[4] = (char)(f->answer_len - 1);
    fake_start(f);
}

static void a_wrong_password_is_known_in_any_language(void **state) {
    (void)state;
    struct fake f;
    start_refusing(&f);
    struct live l;
    open_at(&l, "127.0.0.1", f.port, 5000, true);
    struct outcome o;
    assert_int_equal(live_run(&l, &one, &o), HX_PG_DENIED);
    assert_string_equal(o.error.sqlstate, "28P01");
    assert_string_equal(o.error.message, "Passwort-Authentifizierung f\xc3\xbcr Benutzer fehlgeschlagen");
    live_close(&l);
    fake_stop(&f);
}

/* It has let us in, and is killed before the session is made ready: nothing is wrong with what we asked for. */
static void a_server_that_dies_when_a_session_begins_is_away(void **state) {
    (void)state;
    static const char welcome[] = "R\0\0\0\x08\0\0\0\0"
                                  "S\0\0\0\x18server_version\0"
                                  "15.0\0"
                                  "S\0\0\0\x17in_hot_standby\0off\0"
                                  "S\0\0\0\x26"
                                  "default_transaction_read_only\0off\0"
                                  "K\0\0\0\x0c\0\0\0\x01\0\0\0\x02"
                                  "Z\0\0\0\x05I";
    struct fake f = { .answer = welcome, .answer_len = sizeof welcome - 1, .once = true };
    fake_start(&f);
    struct live l;
    open_at(&l, "127.0.0.1", f.port, 5000, true);
    struct outcome o;
    live_submit(&l, &one, 5000, &o);
    LIVE_UNTIL(&l, l.ups == 1);
    f.cut = true;
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_non_null(strstr(o.error.message, "closed the connection"));
    live_close(&l);
    fake_stop(&f);
}

/* Whatever the attempt that is under way will come to. */
static void what_is_known_is_said_while_it_is_tried_again(void **state) {
    (void)state;
    struct fake f;
    start_refusing(&f);
    struct live l;
    open_at(&l, "127.0.0.1", f.port, 5000, false);
    struct outcome o;
    LIVE_UNTIL(&l, l.downs == 1);
    f.mute = true;
    live_submit(&l, &one, 1500, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_string_equal(o.error.sqlstate, "28P01");
    assert_int_equal(l.downs, 1);
    live_close(&l);
    fake_stop(&f);
}

static void an_unknown_database_may_come(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    const char *keywords[] = { "dbname", NULL }, *values[] = { "no_such_database", NULL };
    struct hx_pg_options options = defaults;
    options.keywords = keywords;
    options.values = values;
    options.fail_fast = true;
    struct live l;
    live_open(&l, &options);
    struct outcome o;
    assert_int_equal(live_run(&l, &one, &o), HX_PG_UNAVAILABLE);
    assert_string_equal(o.error.sqlstate, "3D000");
    assert_int_equal(hx_pg_server_version(l.pg), 0);
    live_close(&l);
}

static void a_listener_that_never_answers_meets_the_deadline(void **state) {
    (void)state;
    struct fake f = { 0 };
    fake_start(&f);
    struct live l;
    open_at(&l, "127.0.0.1", f.port, 400, true);
    struct outcome o;
    int64_t start = hx_mono_ms();
    live_submit(&l, &one, 3000, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_in_range(hx_mono_ms() - start, 390, 2999); /* not the transaction's, which is later */
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_false(o.error.in_doubt);
    live_close(&l);
    fake_stop(&f);
}

static void a_frozen_first_host_is_passed_over(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct fake f = { 0 };
    fake_start(&f);
    const char *port = getenv("PGPORT");
    _cleanup_free_ char *ports = hx_printf("%s,%s", f.port, port ? port : "5432");
    struct live l;
    open_at(&l, "127.0.0.1,127.0.0.1", ports, 400, false);
    struct outcome o;
    live_submit(&l, &one, 10000, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_OK);
    live_close(&l);
    fake_stop(&f);
}

/* --- the session --- */

static void the_session_has_our_settings_and_the_users(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt settings = {
        "settings", "select concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),"
                    " current_setting('client_connection_check_interval'), current_setting('plan_cache_mode'), "
                    "current_setting('enable_seqscan'), current_setting('enable_hashjoin'), "
                    "current_setting('enable_mergejoin'), current_setting('jit'), "
                    "current_setting('idle_in_transaction_session_timeout'),"
                    " current_setting('work_mem'), current_setting('application_name'), "
                    "current_setting('client_encoding'), current_setting('DateStyle'),"
                    " current_setting('transaction_isolation'))"
    };
    struct hx_pg_options options = defaults;
    options.settings = "-c work_mem=3MB";
    setenv("PGOPTIONS", "-c DateStyle=German -c lock_timeout=7s -c default_transaction_isolation=serializable", 1);
    struct live l;
    live_open(&l, &options);
    unsetenv("PGOPTIONS");
    struct outcome o;
    assert_int_equal(live_run(&l, &settings, &o), HX_PG_OK);
    assert_string_equal(
        o.text, "4500ms 7s 500ms force_generic_plan off off off off 10s 3MB test_pg UTF8 German, DMY read committed");
    assert_true(hx_pg_server_version(l.pg) >= 150000);
    assert_true(hx_pg_connected(l.pg));
    live_close(&l);
}

static const struct hx_pg_stmt durability = {
    "durability", "select setting || ' by ' || source from pg_settings where name = 'synchronous_commit'"
};

static void check_durability(struct live *l, const char *expected) {
    struct outcome o;
    assert_int_equal(live_run(l, &durability, &o), HX_PG_OK);
    assert_string_equal(o.text, expected);
}

/* What is told as committed outlives the server. How many standbys have it by then is the operator's choice; what the session has set by
 * itself, no reload changes. */
static void commits_are_never_asynchronous(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const char *const values[][2] = {
        { "off", "on by session" },
        { "on", "on by session" },
        { "local", "local by session" },
        { "remote_write", "remote_write by session" },
        { "remote_apply", "remote_apply by session" },
    };
    static const struct hx_pg_stmt wrong = { "wrong", "select 1 / 0" };
    static const struct hx_pg_stmt suicide = { "suicide", "select pg_terminate_backend(pg_backend_pid())" };
    for (size_t i = 0; i < HX_ARRAY_LEN(values); i++) {
        _cleanup_free_ char *options = hx_printf("-c synchronous_commit=%s", values[i][0]);
        struct live l;
        struct outcome o;
        setenv("PGOPTIONS", options, 1);
        live_open(&l, &defaults);
        unsetenv("PGOPTIONS");
        assert_int_equal(live_run(&l, &wrong, &o), HX_PG_DATA); /* it doesn't go with a transaction that fails */
        check_durability(&l, values[i][1]);
        assert_int_equal(live_run(&l, &suicide, &o), HX_PG_UNAVAILABLE);
        check_durability(&l, values[i][1]); /* on the next connection */
        live_close(&l);
    }
}

static void nor_by_what_a_role_prefers(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    static const struct hx_pg_stmt to_off = {
        "to_off", "do $$ begin execute format('alter role current_user in database %I set synchronous_commit = off',"
                  " current_database()); end $$"
    };
    static const struct hx_pg_stmt reset = {
        "reset", "do $$ begin execute format('alter role current_user in database %I reset synchronous_commit',"
                 " current_database()); end $$"
    };
    struct live l, other;
    struct outcome o;
    live_open(&l, &defaults);
    assert_int_equal(live_run(&l, &to_off, &o), HX_PG_OK);
    live_open(&other, &defaults);
    check_durability(&other, "on by session");
    live_close(&other);
    assert_int_equal(live_run(&l, &reset, &o), HX_PG_OK);
    live_close(&l);
}

static void freed_in_its_own_callback(struct hx_pg *pg, bool connected, const struct hx_pg_error *why, void *user) {
    struct live *l = user;
    (void)connected;
    (void)why;
    l->downs++;
    l->pg = hx_pg_free(pg);
}

static void may_be_freed_in_the_state_callback(void **state) {
    (void)state;
    char port[8];
    int nobody = fake_refuse(port);
    const char *keywords[] = { "host", "port", NULL }, *values[] = { "127.0.0.1", port, NULL };
    struct hx_pg_options options = defaults;
    options.keywords = keywords;
    options.values = values;
    struct live l = { 0 };
    assert_int_equal(hx_loop_new(&l.loop), 0);
    assert_int_equal(hx_pg_new(l.loop, &options, freed_in_its_own_callback, &l, &l.pg), 0);
    struct outcome o;
    live_submit(&l, &one, 0, &o);
    LIVE_UNTIL(&l, l.downs == 1);
    assert_int_equal(o.ends, 1);
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    live_close(&l);
    close(nobody);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(a_refused_connection_fails_fast),
        cmocka_unit_test(a_refused_connection_is_tried_until_the_deadline),
        cmocka_unit_test(an_unusable_keyword_is_said),
        cmocka_unit_test(a_wrong_password_is_known_in_any_language),
        cmocka_unit_test(a_server_that_dies_when_a_session_begins_is_away),
        cmocka_unit_test(what_is_known_is_said_while_it_is_tried_again),
        cmocka_unit_test(an_unknown_database_may_come),
        cmocka_unit_test(a_listener_that_never_answers_meets_the_deadline),
        cmocka_unit_test(a_frozen_first_host_is_passed_over),
        cmocka_unit_test(the_session_has_our_settings_and_the_users),
        cmocka_unit_test(commits_are_never_asynchronous),
        cmocka_unit_test(nor_by_what_a_role_prefers),
        cmocka_unit_test(may_be_freed_in_the_state_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
