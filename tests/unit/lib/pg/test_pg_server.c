#include "lib/pg/pg_internal.h"

#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *message, *text, *reason;
} samples[] = {
    { "connection to server at \"127.0.0.1\", port 5432 failed: Connection refused",
      "127.0.0.1:5432: Connection refused", "Connection refused" },
    { "connection to server at \"db\" (10.0.0.1), port 1 failed: No route to host", "db:1: No route to host",
      "No route to host" },
    { "connection to server at \"::1\", port 5432 failed: Connection refused", "[::1]:5432: Connection refused",
      "Connection refused" },
    { "connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory",
      "connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory",
      "No such file or directory" },
    { "connection to server at \"db", "connection to server at \"db", "connection to server at \"db" },
    { "connection to server at \"db\", port 5432", "connection to server at \"db\", port 5432",
      "connection to server at \"db\", port 5432" },
    { "no answer within 9500 ms", "no answer within 9500 ms", "no answer within 9500 ms" },
    { "it failed: why", "it failed: why", "it failed: why" },
};

static void an_error_in_words(void **state) {
    (void)state;
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        struct hx_pg_error e = { .class = HX_PG_UNAVAILABLE };
        char out[sizeof(e.message)];
        hx_strcopy(e.message, sizeof(e.message), samples[i].message);
        hx_pg_error_text(&e, out, sizeof(out));
        assert_string_equal(out, samples[i].text);
        assert_string_equal(hx_pg_error_reason(&e), samples[i].reason);
    }
}

/* Told the address, it connects to nobody before the loop turns. */
static void the_server_that_was_tried_last(void **state) {
    (void)state;
    static const struct {
        const char *host, *port, *text;
    } servers[] = { { "127.0.0.1", "1", "PostgreSQL at 127.0.0.1:1" }, { "::1", "2", "PostgreSQL at [::1]:2" } };
    for (size_t i = 0; i < HX_ARRAY_LEN(servers); i++) {
        const char *const keywords[] = { "host", "port", NULL };
        const char *const values[] = { servers[i].host, servers[i].port, NULL };
        struct hx_pg pg = { .conn = PQconnectStartParams(keywords, values, 0) };
        _cleanup_free_ char *text = hx_pg_server(&pg);
        assert_string_equal(text, servers[i].text);
        PQfinish(HX_TAKE(pg.conn));
        _cleanup_free_ char *later = hx_pg_server(&pg);
        assert_string_equal(later, servers[i].text);
        free(pg.server);
    }
    struct hx_pg fresh = { 0 };
    _cleanup_free_ char *text = hx_pg_server(&fresh);
    assert_string_equal(text, "PostgreSQL");
}

static void a_text_without_a_looked_up_address_stays(void **state) {
    (void)state;
    const struct pg_hosts none = { 0 };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        _cleanup_free_ char *text = pg_server_named(&none, samples[i].message);
        assert_string_equal(text, samples[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_in_words),
        cmocka_unit_test(a_text_without_a_looked_up_address_stays),
        cmocka_unit_test(the_server_that_was_tried_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
