/* Which hosts libpq would connect to, and what it is given for them. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"
#include "tests/unit/lib/pg/fake_names.h"

#include <stdio.h>

struct setup {
    struct hx_loop *loop;
    struct pg_keywords keywords;
    struct pg_hosts hosts;
    unsigned answers;
};

static void answered(void *user) {
    struct setup *s = user;
    s->answers++;
}

static void begin(struct setup *s) {
    assert_int_equal(pg_hosts_begin(&s->hosts, &s->keywords, s->loop, answered, s), 0);
}

static void open_with(struct setup *s, const char *const *keywords, const char *const *values) {
    *s = (struct setup){ 0 };
    assert_int_equal(hx_loop_new(&s->loop), 0);
    struct hx_pg_options options = { .keywords = keywords, .values = values };
    pg_keywords_build(&s->keywords, &options, 5000);
    begin(s);
}

static void open_at(struct setup *s, const char *host, const char *address, const char *port) {
    open_with(s, (const char *[]){ "host", "hostaddr", "port", NULL }, (const char *[]){ host, address, port, NULL });
}

static void end(struct setup *s) {
    pg_hosts_clear(&s->hosts);
    fake_names_end();
    pg_keywords_free(&s->keywords);
    s->loop = hx_loop_free(s->loop);
}

/* "HOST HOSTADDR PORT" as libpq has them. */
static void gives(struct setup *s, size_t turn, const char *expected) {
    PGconn *conn = pg_hosts_connect(&s->hosts, &s->keywords, turn);
    PQconninfoOption *used = PQconninfo(conn);
    const char *host = pg_keywords_value(used, "host"), *address = pg_keywords_value(used, "hostaddr"),
               *port = pg_keywords_value(used, "port");
    _cleanup_free_ char *all = hx_printf("%s %s %s", host ? host : "-", address ? address : "-", port ? port : "-");
    assert_string_equal(all, expected);
    PQconninfoFree(used);
    PQfinish(conn);
    assert_int_equal(fake_in_loop, 0);
}

static void what_is_no_name_needs_no_thread(void **state) {
    (void)state;
    static const struct {
        const char *host, *address, *port, *given;
    } cases[] = {
        { "127.0.0.1", "", "1", "127.0.0.1 - 1" },
        { "::1,127.0.0.1", "", "1", "::1,127.0.0.1 , 1,1" },
        { "/nowhere,@nothing", "", "1,2", "/nowhere,@nothing , 1,2" },
        { "name", "127.0.0.1", "1", "name 127.0.0.1 1" },
        { "", "127.0.0.1,127.0.0.2", "1,2", ", 127.0.0.1,127.0.0.2 1,2" },
        { "a,b", "127.0.0.1,127.0.0.2,127.0.0.3", "1", "a,b 127.0.0.1,127.0.0.2,127.0.0.3 1" }, /* libpq's to refuse */
        { "a,b", "", "1,2,3", "a,b - 1,2,3" },
    };
    struct setup s;
    fake_names_start(false);
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        open_at(&s, cases[i].host, cases[i].address, cases[i].port);
        assert_false(pg_hosts_pending(&s.hosts));
        gives(&s, 0, cases[i].given);
        assert_int_equal(fake_asked, 0);
        end(&s);
    }
}

static void a_name_goes_with_its_addresses(void **state) {
    (void)state;
    struct setup s;
    fake_names_start(false);
    open_at(&s, "one,two,127.0.0.3,/run", NULL, "1,2,3,4");
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    assert_int_equal(pg_hosts_usable(&s.hosts), 4);
    assert_int_equal(fake_asked, 2);
    static const char *const turns[] = {
        "one,two,two,127.0.0.3,/run 127.0.0.1,::1,127.0.0.1,, 1,2,2,3,4",
        "two,two,127.0.0.3,/run,one ::1,127.0.0.1,,,127.0.0.1 2,2,3,4,1",
        "127.0.0.3,/run,one,two,two ,,127.0.0.1,::1,127.0.0.1 3,4,1,2,2",
        "/run,one,two,two,127.0.0.3 ,127.0.0.1,::1,127.0.0.1, 4,1,2,2,3",
        "one,two,two,127.0.0.3,/run 127.0.0.1,127.0.0.1,::1,, 1,2,2,3,4", /* all were silent: another address first */
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(turns); i++)
        gives(&s, i, turns[i]);
    assert_string_equal(pg_hosts_name(&s.hosts, "::1"), "two");
    assert_string_equal(pg_hosts_name(&s.hosts, "127.0.0.1"), "one");
    assert_null(pg_hosts_name(&s.hosts, "127.0.0.3"));
    end(&s);
}

static void an_unknown_name_takes_no_other_with_it(void **state) {
    (void)state;
    struct setup s;
    struct hx_pg_error why;
    const char *port;
    fake_names_start(false);
    open_at(&s, "none,one", NULL, "7");
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    assert_int_equal(pg_hosts_usable(&s.hosts), 1);
    gives(&s, 0, "one 127.0.0.1 7");
    gives(&s, 5, "one 127.0.0.1 7");
    assert_string_equal(pg_hosts_unknown(&s.hosts, 500, &why, &port), "none");
    assert_string_equal(port, "7");
    assert_int_equal(why.class, HX_PG_UNAVAILABLE);
    assert_string_equal(why.message, "could not translate host name \"none\" to address: Name or service not known");
    end(&s);
}

static void a_silent_name_takes_no_other_with_it(void **state) {
    (void)state;
    struct setup s;
    struct hx_pg_error why;
    const char *port;
    fake_names_start(true);
    open_at(&s, "one,slow,127.0.0.3", NULL, "1,2,3");
    LIVE_UNTIL(&s, fake_asked == 2 && s.answers == 1);
    assert_true(pg_hosts_pending(&s.hosts));
    assert_int_equal(pg_hosts_usable(&s.hosts), 2);
    gives(&s, 1, "127.0.0.3,one ,127.0.0.1 3,1");
    assert_string_equal(pg_hosts_unknown(&s.hosts, 500, &why, &port), "slow");
    assert_string_equal(port, "2");
    assert_string_equal(why.message, "could not translate host name \"slow\" to address: no answer within 500 ms");
    fake_names_mute(false);
    LIVE_UNTIL(&s, s.answers == 2);
    gives(&s, 0, "one,slow,127.0.0.3 127.0.0.1,127.0.0.1, 1,2,3");
    assert_null(pg_hosts_unknown(&s.hosts, 500, &why, &port));
    end(&s);
}

/* One lookup of a name at a time, however long it takes and however often a connection is tried meanwhile. */
static void the_next_attempt_goes_on_with_what_runs(void **state) {
    (void)state;
    struct setup s;
    fake_names_start(true);
    open_at(&s, "slow,none,one", NULL, "1");
    LIVE_UNTIL(&s, fake_asked == 3 && s.answers == 2);
    pg_hosts_use(&s.hosts);
    begin(&s);
    LIVE_UNTIL(&s, s.answers == 4);
    assert_int_equal(fake_asked, 5); /* the other two anew: one was used, one had no address */
    fake_names_mute(false);
    LIVE_UNTIL(&s, s.answers == 5);
    begin(&s); /* slow's answer had no chance yet, and serves now */
    assert_int_equal(pg_hosts_usable(&s.hosts), 2);
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    assert_int_equal(fake_asked, 6); /* none */
    pg_hosts_use(&s.hosts);
    begin(&s);
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    assert_int_equal(fake_asked, 9);
    end(&s);
}

static void the_environment_a_service_and_a_connection_string(void **state) {
    (void)state;
    struct setup s;
    fake_names_start(false);
    setenv("PGHOST", "one", 1);
    setenv("PGPORT", "5", 1);
    open_with(&s, NULL, NULL);
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    gives(&s, 0, "one 127.0.0.1 5");
    end(&s);

    setenv("PGHOSTADDR", "127.0.0.9", 1);
    open_with(&s, NULL, NULL);
    assert_false(pg_hosts_pending(&s.hosts));
    gives(&s, 0, "one 127.0.0.9 5");
    end(&s);
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    unsetenv("PGHOSTADDR");

    char path[] = "/tmp/test_pg_hosts.XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    fputs("[ours]\nhost=two\nport=6\n", file);
    assert_int_equal(fclose(file), 0);
    setenv("PGSERVICEFILE", path, 1);
    open_with(&s, (const char *[]){ "service", NULL }, (const char *[]){ "ours", NULL });
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    gives(&s, 0, "two,two ::1,127.0.0.1 6,6");
    end(&s);
    setenv("PGSERVICE", "ours", 1);
    open_with(&s, NULL, NULL);
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    gives(&s, 1, "two,two 127.0.0.1,::1 6,6");
    end(&s);
    unsetenv("PGSERVICE");
    unsetenv("PGSERVICEFILE");
    unlink(path);

    open_with(&s, (const char *[]){ "dbname", NULL }, (const char *[]){ "postgresql://u@one:8,127.0.0.2:9/db", NULL });
    LIVE_UNTIL(&s, !pg_hosts_pending(&s.hosts));
    gives(&s, 0, "one,127.0.0.2 127.0.0.1, 8,9");
    end(&s);
}

static int clean_environment(void **state) {
    (void)state;
    static const char *const names[] = { "PGHOST",       "PGHOSTADDR",          "PGPORT", "PGSERVICE", "PGSERVICEFILE",
                                         "PGSYSCONFDIR", "PGTARGETSESSIONATTRS" };
    for (size_t i = 0; i < HX_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_name_needs_no_thread),
        cmocka_unit_test(a_name_goes_with_its_addresses),
        cmocka_unit_test(an_unknown_name_takes_no_other_with_it),
        cmocka_unit_test(a_silent_name_takes_no_other_with_it),
        cmocka_unit_test(the_next_attempt_goes_on_with_what_runs),
        cmocka_unit_test(the_environment_a_service_and_a_connection_string),
    };
    return cmocka_run_group_tests(tests, clean_environment, NULL);
}
