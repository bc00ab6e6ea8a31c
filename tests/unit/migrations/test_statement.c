#include "migrations/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

static void what_a_revision_cannot_hold(void **s) {
    (void)s;
    static const char *const bad[] = {
        "begin",
        "BEGIN work",
        "start transaction",
        "/* x */ commit",
        "end",
        "rollback",
        "abort",
        "savepoint a",
        "prepare transaction 'x'",
        "copy t from stdin",
        "copy (select 1) to STDOUT csv",
    };
    static const char *const good[] = {
        "select 1", "prepare p as select 1",           "create table \"begin\" (x int)", "copy t from '/tmp/stdin'",
        "",         "insert into t values ('commit')",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!hx_statement_forbidden(bad[i], false) || !hx_statement_forbidden(bad[i], true))
            fail_msg("allowed: %s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (hx_statement_forbidden(good[i], false) || hx_statement_forbidden(good[i], true))
            fail_msg("forbidden: %s", good[i]);
}

static void what_streams(void **s) {
    (void)s;
    assert_true(hx_statement_streams("/* x */ COPY public.t (a, b) FROM stdin"));
    assert_true(hx_statement_streams("copy t to stdout"));
    assert_false(hx_statement_streams("copy t from '/tmp/stdin'"));
    assert_false(hx_statement_streams("select 'copy' as stdin"));
}

static void what_needs_the_mark(void **s) {
    (void)s;
    static const char *const cases[] = {
        "create index concurrently i on t (a)",
        "drop index concurrently i",
        "vacuum t",
        "reindex table concurrently t",
        "do $$ begin commit; end $$",
        "create database d",
        "alter system set a = b",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why = hx_statement_forbidden(cases[i], false);
        if (!why || !strstr(why, "no-transaction"))
            fail_msg("allowed: %s", cases[i]);
        if (hx_statement_forbidden(cases[i], true))
            fail_msg("forbidden: %s", cases[i]);
    }
    assert_non_null(strstr(hx_statement_forbidden("create index concurrently on t (a)", true), "needs a name"));
}

static void kinds(void **s) {
    (void)s;
    static const struct {
        const char *sql;
        enum hx_statement_kind kind;
        const char *index, *table;
    } cases[] = {
        { "select 1", HX_STATEMENT_PLAIN, NULL, NULL },
        { "create index i on t (a)", HX_STATEMENT_PLAIN, NULL, NULL },
        { "drop index i", HX_STATEMENT_PLAIN, NULL, NULL },
        { "create table concurrently ()", HX_STATEMENT_PLAIN, NULL, NULL },
        { "alter type s add value 'x'", HX_STATEMENT_PLAIN, NULL, NULL },
        { "do $$ begin perform 'commit'; end $$", HX_STATEMENT_PLAIN, NULL, NULL },
        { "do language plpgsql 'begin commit; end'", HX_STATEMENT_ALONE, NULL, NULL },
        { "do $a$ begin /* ; */ rollback; end $a$", HX_STATEMENT_ALONE, NULL, NULL },
        { "set lock_timeout = '1s'", HX_STATEMENT_SETTING, NULL, NULL },
        { "reset all", HX_STATEMENT_SETTING, NULL, NULL },
        { "VACUUM (analyze) t", HX_STATEMENT_ALONE, NULL, NULL },
        { "call p()", HX_STATEMENT_ALONE, NULL, NULL },
        { "alter table p detach partition q concurrently", HX_STATEMENT_ALONE, NULL, NULL },
        { "reindex (verbose) index concurrently i", HX_STATEMENT_ALONE, NULL, NULL },
        { "create index concurrently i on t (a)", HX_STATEMENT_BUILDS_INDEX, "i", "t" },
        { "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"My \"\"i\" ON ONLY s . \"T\" using btree (a)",
          HX_STATEMENT_BUILDS_INDEX, "\"My \"\"i\"", "s.\"T\"" },
        { "create /* c */ index -- d\n concurrently on t (a)", HX_STATEMENT_BUILDS_INDEX, "", "t" },
        { "drop index concurrently if exists s.i", HX_STATEMENT_DROPS_INDEX, "s.i", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hx_statement_info info;
        hx_statement_read(cases[i].sql, &info);
        bool index = cases[i].index ? info.index && !strcmp(info.index, cases[i].index) : !info.index;
        bool table = cases[i].table ? info.table && !strcmp(info.table, cases[i].table) : !info.table;
        if (info.kind != cases[i].kind || !index || !table)
            fail_msg("%s: kind %d, index %s, table %s", cases[i].sql, (int)info.kind, info.index ? info.index : "none",
                     info.table ? info.table : "none");
        hx_statement_info_reset(&info);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_revision_cannot_hold),
        cmocka_unit_test(what_streams),
        cmocka_unit_test(what_needs_the_mark),
        cmocka_unit_test(kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
