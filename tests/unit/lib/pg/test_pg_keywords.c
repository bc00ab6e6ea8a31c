/* What libpq is told: ours, the user's over it, and the user's session options behind ours. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"

#include <sys/stat.h>
#include <unistd.h>

/* The value that libpq will take: the last one. */
static const char *value(const struct pg_keywords *k, const char *keyword) {
    const char *found = NULL;
    for (size_t i = 0; i < k->count; i++)
        if (hx_streq(k->keywords[i], keyword))
            found = k->values[i];
    return found;
}

static void build(struct pg_keywords *k, const char *const *keywords, const char *const *values) {
    *k = (struct pg_keywords){ 0 };
    struct hx_pg_options options = { .keywords = keywords, .values = values, .application_name = "heimdex" };
    pg_keywords_build(k, &options, 5000);
    assert_null(k->keywords[k->count]);
}

static int clean_environment(void **state) {
    (void)state;
    static const char *const names[] = { "PGOPTIONS", "PGCONNECT_TIMEOUT", "PGTARGETSESSIONATTRS", "PGAPPNAME",
                                         "PGSERVICE", "PGSERVICEFILE",     "PGSYSCONFDIR" };
    for (size_t i = 0; i < HX_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    return 0;
}

static void ours_are_there(void **state) {
    (void)state;
    struct pg_keywords k;
    build(&k, NULL, NULL);
    assert_string_equal(value(&k, "connect_timeout"), "3");
    assert_string_equal(value(&k, "tcp_user_timeout"), "5000");
    assert_string_equal(value(&k, "target_session_attrs"), "read-write");
    assert_string_equal(value(&k, "application_name"), "heimdex");
    assert_string_equal(value(&k, "client_encoding"), "UTF8");
    assert_non_null(strstr(value(&k, "options"), "-c statement_timeout=4500 -c lock_timeout=2s "));
    assert_null(value(&k, "host"));
    pg_keywords_free(&k);
}

static void the_users_win(void **state) {
    (void)state;
    struct pg_keywords k;
    build(&k, (const char *[]){ "connect_timeout", "application_name", "options", "client_encoding", "host", NULL },
          (const char *[]){ "9", "mine", "-c default_transaction_isolation=serializable -c work_mem=1MB", "LATIN1", "",
                            NULL });
    assert_string_equal(value(&k, "connect_timeout"), "9");
    assert_string_equal(value(&k, "application_name"), "mine");
    assert_string_equal(value(&k, "client_encoding"), "UTF8");
    assert_null(value(&k, "host")); /* empty is as good as absent */
    const char *options = value(&k, "options");
    static const char end[] =
        " -c work_mem=1MB -c default_transaction_isolation=read\\ committed"; /* the last one counts */
    assert_string_equal(options + strlen(options) - strlen(end), end);
    assert_non_null(strstr(options, "jit=off"));
    pg_keywords_free(&k);
}

static void the_environment_wins(void **state) {
    (void)state;
    setenv("PGOPTIONS", "-c work_mem=2MB", 1);
    setenv("PGCONNECT_TIMEOUT", "11", 1);
    setenv("PGTARGETSESSIONATTRS", "any", 1);
    setenv("PGAPPNAME", "env", 1);
    struct pg_keywords k;
    build(&k, NULL, NULL);
    clean_environment(NULL);
    assert_null(value(&k, "connect_timeout")); /* left to libpq */
    assert_null(value(&k, "target_session_attrs"));
    assert_null(value(&k, "application_name"));
    assert_non_null(strstr(value(&k, "options"), "-c work_mem=2MB"));
    pg_keywords_free(&k);
}

static void options_are_found_in_a_connection_string(void **state) {
    (void)state;
    static const char *const strings[] = { "postgresql://u@h/db?options=-c%20work_mem%3D3MB",
                                           "host=h options='-c work_mem=3MB'" };
    for (size_t i = 0; i < HX_ARRAY_LEN(strings); i++) {
        struct pg_keywords k;
        build(&k, (const char *[]){ "dbname", NULL }, (const char *[]){ strings[i], NULL });
        assert_non_null(strstr(value(&k, "options"), "jit=off"));
        assert_non_null(strstr(value(&k, "options"), "-c work_mem=3MB"));
        pg_keywords_free(&k);
    }
}

static void libpq_says_what_it_makes_of_them(void **state) {
    (void)state;
    struct pg_keywords k;
    build(&k, (const char *[]){ "dbname", "port", NULL },
          (const char *[]){ "host=127.0.0.1,127.0.0.2 port=9", "1", NULL });
    PQconninfoOption *used = pg_keywords_used(&k);
    assert_string_equal(pg_keywords_value(used, "host"), "127.0.0.1,127.0.0.2");
    assert_string_equal(pg_keywords_value(used, "port"), "1");
    assert_null(pg_keywords_value(used, "hostaddr"));
    PQconninfoFree(used);

    const struct pg_keyword more[] = { { "host", "127.0.0.3" }, { "port", "" }, { "hostaddr", NULL } };
    PGconn *conn = pg_keywords_connect(&k, more, HX_ARRAY_LEN(more));
    assert_string_equal(PQhost(conn), "127.0.0.3");
    assert_string_equal(PQport(conn), "1");
    PQfinish(conn);
    pg_keywords_free(&k);
}

/* libpq warns on stderr of a password file that others may read: once a connection is enough. */
static void asking_libpq_reads_no_password_file(void **state) {
    (void)state;
    char password[] = "/tmp/test_pg_keywords.XXXXXX", said[] = "/tmp/test_pg_keywords.XXXXXX";
    int file = mkstemp(password), output = mkstemp(said), before = dup(STDERR_FILENO);
    assert_int_equal(fchmod(file, 0644), 0);
    setenv("PGPASSFILE", password, 1);
    struct pg_keywords k;
    build(&k, (const char *[]){ "host", NULL }, (const char *[]){ "127.0.0.1", NULL });
    dup2(output, STDERR_FILENO);
    PQconninfoFree(pg_keywords_used(&k));
    dup2(before, STDERR_FILENO);
    unsetenv("PGPASSFILE");
    assert_int_equal(lseek(output, 0, SEEK_END), 0);
    pg_keywords_free(&k);
    unlink(password);
    unlink(said);
    close(file);
    close(output);
    close(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_are_there),
        cmocka_unit_test(the_users_win),
        cmocka_unit_test(the_environment_wins),
        cmocka_unit_test(options_are_found_in_a_connection_string),
        cmocka_unit_test(libpq_says_what_it_makes_of_them),
        cmocka_unit_test(asking_libpq_reads_no_password_file),
    };
    return cmocka_run_group_tests(tests, clean_environment, NULL);
}
