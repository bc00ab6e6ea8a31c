/* A connection to a host that has a name: the loop turns while it is looked up, and the deadline holds. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"
#include "tests/unit/lib/pg/fake_names.h"
#include "tests/unit/lib/pg/fake_server.h"

static const struct hx_pg_stmt one = { "one", "select 1::int8" };

static void open_at(struct live *l, const char *host, const char *port, int64_t timeout_ms, bool fail_fast) {
    const char *keywords[] = { "host", "port", "sslmode", "gssencmode", NULL };
    const char *values[] = { host, port, "disable", "disable", NULL };
    live_open(l, &(struct hx_pg_options){
                     .keywords = keywords, .values = values, .timeout_ms = timeout_ms, .fail_fast = fail_fast });
}

static void end(struct live *l) {
    assert_int_equal(fake_in_loop, 0);
    live_close(l);
    fake_names_end();
}

static void a_transaction_that_ends_first_says_the_same(void **state) {
    (void)state;
    struct live l;
    struct outcome o;
    fake_names_start(true);
    open_at(&l, "slow", "1", 60000, false);
    live_submit(&l, &one, 200, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_string_equal(o.error.message, "could not translate host name \"slow\" to address: no answer within 200 ms");
    end(&l);
}

static void the_deadline_covers_a_silent_resolver(void **state) {
    (void)state;
    struct live l;
    struct outcome o;
    fake_names_start(true);
    open_at(&l, "slow", "1", 300, true);
    int64_t began = hx_mono_ms();
    live_submit(&l, &one, 10000, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_UNAVAILABLE);
    assert_true(hx_mono_ms() - began >= 290);
    assert_string_equal(o.error.message, "could not translate host name \"slow\" to address: no answer within 300 ms");
    _cleanup_free_ char *server = hx_pg_server(l.pg);
    assert_string_equal(server, "PostgreSQL at slow:1");
    end(&l);
}

/* The name's answer comes after its attempt was given up, and serves the next one. Nobody asks twice. */
static void an_answer_that_comes_late_serves(void **state) {
    (void)state;
    struct live l;
    fake_names_start(true);
    open_at(&l, "slow", "1", 100, false);
    LIVE_UNTIL(&l, l.downs == 1 && fake_asked == 1);
    fake_names_mute(false);
    LIVE_UNTIL(&l, l.downs == 2);
    assert_string_equal(l.why.message,
                        "connection to server at \"slow\" (127.0.0.1), port 1 failed: Connection refused");
    assert_int_equal(fake_asked, 1);
    end(&l);
}

static void an_unknown_name_is_looked_up_again(void **state) {
    (void)state;
    struct live l;
    fake_names_start(false);
    open_at(&l, "none", "1", 5000, false);
    LIVE_UNTIL(&l, fake_asked >= 3);
    assert_int_equal(l.downs, 1);
    assert_int_equal(l.why.class, HX_PG_UNAVAILABLE);
    assert_string_equal(l.why.message, "could not translate host name \"none\" to address: Name or service not known");
    end(&l);
}

static void a_handle_is_freed_while_it_waits_for_a_name(void **state) {
    (void)state;
    struct live l;
    fake_names_start(true);
    open_at(&l, "slow", "1", 5000, false);
    LIVE_UNTIL(&l, fake_asked == 1);
    end(&l);
    assert_int_equal(fake_answered, 1);
}

/* The silent name, and behind it the silent server, have their shares of the time. */
static void a_silent_name_is_passed_over(void **state) {
    (void)state;
    LIVE_OR_SKIP();
    struct fake f = { 0 };
    fake_start(&f);
    const char *port = getenv("PGPORT");
    _cleanup_free_ char *ports = hx_printf("1,%s,%s", f.port, port ? port : "5432");
    struct live l;
    struct outcome o;
    fake_names_start(true);
    open_at(&l, "slow,silent,one", ports, 900, false);
    live_submit(&l, &one, 15000, &o);
    LIVE_UNTIL(&l, o.ends);
    assert_int_equal(o.class, HX_PG_OK);
    _cleanup_free_ char *server = hx_pg_server(l.pg),
                        *expected = hx_printf("PostgreSQL at one:%s", port ? port : "5432");
    assert_string_equal(server, expected);
    end(&l);
    fake_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_that_ends_first_says_the_same),
        cmocka_unit_test(the_deadline_covers_a_silent_resolver),
        cmocka_unit_test(an_answer_that_comes_late_serves),
        cmocka_unit_test(an_unknown_name_is_looked_up_again),
        cmocka_unit_test(a_handle_is_freed_while_it_waits_for_a_name),
        cmocka_unit_test(a_silent_name_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
