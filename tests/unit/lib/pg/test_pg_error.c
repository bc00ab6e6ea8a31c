/* The classes of SQLSTATEs, and what libpq's texts become. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"

static void classifies(void **state) {
    (void)state;
    static const struct {
        const char *sqlstate;
        enum hx_pg_class class;
    } cases[] = {
        { "00000", HX_PG_OK },
        { "40001", HX_PG_RETRY },
        { "40P01", HX_PG_RETRY },
        { "55P03", HX_PG_RETRY },
        { "57014", HX_PG_RETRY },
        { "26000", HX_PG_RETRY },
        { "08000", HX_PG_UNAVAILABLE },
        { "08006", HX_PG_UNAVAILABLE },
        { "08P01", HX_PG_UNAVAILABLE },
        { "57P01", HX_PG_UNAVAILABLE },
        { "57P02", HX_PG_UNAVAILABLE },
        { "57P03", HX_PG_UNAVAILABLE },
        { "53100", HX_PG_UNAVAILABLE },
        { "53200", HX_PG_UNAVAILABLE },
        { "53300", HX_PG_UNAVAILABLE },
        { "25006", HX_PG_UNAVAILABLE },
        { "22P02", HX_PG_DATA },
        { "22021", HX_PG_DATA },
        { "23505", HX_PG_DATA },
        { "23514", HX_PG_DATA },
        { "54000", HX_PG_DATA },
        { "28P01", HX_PG_DENIED },
        { "28000", HX_PG_DENIED },
        { "42501", HX_PG_DENIED },
        { "42P01", HX_PG_SCHEMA },
        { "42703", HX_PG_SCHEMA },
        { "3F000", HX_PG_SCHEMA },
        { "3D000", HX_PG_SCHEMA },
        { "0A000", HX_PG_OTHER },
        { "P0001", HX_PG_OTHER },
        { "XX000", HX_PG_OTHER },
        { "55006", HX_PG_OTHER },
        { "25P02", HX_PG_OTHER },
        { "25P03", HX_PG_UNAVAILABLE },
        { "", HX_PG_OTHER },
        { "4", HX_PG_OTHER },
        { "230000", HX_PG_OTHER },
        { NULL, HX_PG_OTHER },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++)
        if (hx_pg_classify(cases[i].sqlstate) != cases[i].class)
            fail_msg("%s is of class %d", cases[i].sqlstate, (int)hx_pg_classify(cases[i].sqlstate));
}

static void reads_the_texts_of_refused_connections(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum hx_pg_class class;
        const char *sqlstate, *message;
    } cases[] = {
        { "connection to server at \"10.0.0.1\", port 5432 failed: FATAL:  28P01: password authentication failed for "
          "user "
          "\"heimdex\"\nLOCATION:  auth_failed, auth.c:335\n",
          HX_PG_DENIED, "28P01", "password authentication failed for user \"heimdex\"" },
        { "connection to server failed: SCHWERWIEGEND:  3D000: Datenbank »x« existiert nicht\n", HX_PG_UNAVAILABLE,
          "3D000", "Datenbank »x« existiert nicht" },
        { "connection to server at \"a\" failed: Connection refused\n\tIs the server running on that host?\n"
          "connection to server at \"b\" failed: FATAL:  57P03: the database system is starting up\n",
          HX_PG_UNAVAILABLE, "57P03", "the database system is starting up" },
        { "connection to server failed: FATAL:  53300: sorry, too many clients already", HX_PG_UNAVAILABLE, "53300",
          "sorry, too many clients already" },
        { "connection to server at \"127.0.0.1\", port 1 failed: Connection refused\n\tIs the server running?",
          HX_PG_UNAVAILABLE, "", "connection to server at \"127.0.0.1\", port 1 failed: Connection refused" },
        { "connection to server at \"a\" failed: fe_sendauth: no password supplied\n", HX_PG_DENIED, "",
          "connection to server at \"a\" failed: fe_sendauth: no password supplied" },
        { "server closed the connection unexpectedly\n\tThis probably means", HX_PG_UNAVAILABLE, "",
          "server closed the connection unexpectedly" },
        { "invalid connection option \"hots\"\n", HX_PG_OTHER, "", "invalid connection option \"hots\"" },
        { "invalid sslmode value: \"no\"\n", HX_PG_OTHER, "", "invalid sslmode value: \"no\"" },
        { "connection to server at \"a\" failed: server does not support SSL, but SSL was required\n", HX_PG_OTHER, "",
          "connection to server at \"a\" failed: server does not support SSL, but SSL was required (sslmode asks for "
          "it)" },
        { "unterminated quoted string in connection info string\n", HX_PG_OTHER, "",
          "unterminated quoted string in connection info string" },
        { "could not match 3 port numbers to 2 hosts\n", HX_PG_OTHER, "", "could not match 3 port numbers to 2 hosts" },
        { "could not parse network address \"abc\": Name or service not known\n", HX_PG_OTHER, "",
          "could not parse network address \"abc\": Name or service not known" },
        { "end of string reached when looking for matching \"]\" in IPv6 host address in URI: \"postgresql://[x\"\n",
          HX_PG_OTHER, "",
          "end of string reached when looking for matching \"]\" in IPv6 host address in URI: \"postgresql://[x\"" },
        { "invalid percent-encoded token: \"%zz\"\n", HX_PG_OTHER, "", "invalid percent-encoded token: \"%zz\"" },
        { "", HX_PG_UNAVAILABLE, "", "connection lost" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(cases); i++) {
        struct hx_pg_error e;
        pg_error_of_text(&e, cases[i].text);
        assert_int_equal(e.class, cases[i].class);
        assert_string_equal(e.sqlstate, cases[i].sqlstate);
        assert_string_equal(e.message, cases[i].message);
        assert_int_equal(e.statement, -1);
        assert_false(e.in_doubt);
    }
}

static void keeps_secrets_and_control_characters_out(void **state) {
    (void)state;
    struct hx_pg_error e;
    pg_error_of_text(&e, "can't reach postgres://joe:hunter22@db/x with password=hunter22 now\001!\n");
    assert_null(strstr(e.message, "hunter22"));
    assert_null(strchr(e.message, '\001'));
    assert_non_null(strstr(e.message, "can't reach"));
}

static void cuts_long_messages(void **state) {
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct hx_pg_error e;
    pg_error_of_text(&e, text);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classifies),
        cmocka_unit_test(reads_the_texts_of_refused_connections),
        cmocka_unit_test(keeps_secrets_and_control_characters_out),
        cmocka_unit_test(cuts_long_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
