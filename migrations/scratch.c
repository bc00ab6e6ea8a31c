#include "migrations/scratch.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/quote.h"

#include <signal.h>

/* The name says whose it is: a backend and when that began. One whose backend is gone was left behind by a run that was killed. */
#define PREFIX "heimdex_scratch_"
/* How long it is tried to drop one that somebody is in. */
#define DROP_MS 15000

struct hx_scratch {
    struct hx_database *home, *database;
    struct hx_site site;
    char *name, *search_path;
    int signo; /* that asked us to end, or 0 */
};

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

/* --- making and dropping -------------------------------------------------------------------------------------- */

/* One statement is one transaction, as CREATE and DROP DATABASE want it. */
static enum hx_pg_class run(struct hx_database *database, const struct hx_pg_stmt *stmt, hx_pg_done_cb cb, void *user,
                            struct hx_pg_error *reterr) {
    struct hx_pg_tx *tx = hx_pg_tx_new("scratch");
    hx_pg_tx_add(tx, stmt);
    return hx_pg_run(database->pg, tx, 0, cb, user, reterr);
}

/* In plain terms the server itself ends an autovacuum worker that is in it, and gives other sessions some seconds to leave. With
 * force it ends those of ours, at once; but of a worker that is in it then it says that it isn't ours to end. */
static void drop(struct hx_database *home, const char *name, bool force) {
    struct hx_pg_error error;
    _cleanup_free_ char *quoted = hx_quote_name(name);
    const struct hx_pg_stmt *plain = hx_database_statement(home, "drop database if exists %s", quoted);
    const struct hx_pg_stmt *forced = hx_database_statement(home, "drop database if exists %s with (force)", quoted);
    int64_t until = hx_mono_ms() + DROP_MS;
    bool in_the_way = true;
    for (; in_the_way; force = !force) {
        if (run(home, force ? forced : plain, NULL, NULL, &error) == HX_PG_OK)
            return;
        in_the_way =
            hx_mono_ms() < until && (hx_streq(error.sqlstate, "55006") || (force && hx_streq(error.sqlstate, "42501")));
    }
    hx_complain("%s: this scratch database could not be dropped: %s", name, error.message);
}

struct names {
    char **items;
    int count;
    char *search_path; /* of the session that asks */
};

static void take_names(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct names *names = user;
    if (error)
        return;
    names->count = hx_pg_rows(tx, 0);
    names->items = hx_allocn((size_t)names->count + 1, sizeof *names->items);
    for (int i = 0; i < names->count; i++)
        names->items[i] = hx_strdup(hx_pg_get_text(tx, 0, i, 0, NULL));
    names->search_path = hx_strdup(hx_pg_get_text(tx, 0, 0, 1, NULL));
}

/* The first is the name for ours, the others are left over. */
static int ask_names(struct hx_database *home, struct names *ret) {
    static const struct hx_pg_stmt stmt = {
        "scratch_names",
        "with backend as (select pid::text as pid, (extract(epoch from backend_start) * 1000000)::int8::text as began "
        "from pg_stat_activity where backend_type = 'client backend') "
        "select '" PREFIX
        "' || pid || '_' || began as name, current_setting('search_path') as path, 0 as n from backend "
        "where pid = pg_backend_pid()::text "
        "union all select d.datname::text, '', 1 from pg_database d join pg_roles r on r.oid = d.datdba "
        "where d.datname like '" PREFIX "%' and r.rolname = current_user and not exists (select from backend "
        "where pid = split_part(d.datname, '_', 3) and coalesce(began = split_part(d.datname, '_', 4), true)) order by "
        "n",
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("scratch_names");
    hx_pg_tx_add(tx, &stmt);
    return hx_database_ask(home, tx, take_names, ret);
}

static void names_reset(struct names *names) {
    for (int i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    free(names->search_path);
}

static int create(struct hx_database *home, const char *name) {
    struct hx_pg_error error;
    _cleanup_free_ char *quoted = hx_quote_name(name);
    if (run(home, hx_database_statement(home, "create database %s template template0", quoted), NULL, NULL, &error) ==
        HX_PG_OK)
        return 0;
    if (error.class != HX_PG_DENIED)
        return hx_database_complain(&error);
    hx_complain(
        "postgresql: this login may not make a scratch database: alter role … createdb, or compare with --against DSN");
    return HX_EXIT_NOT_PERMITTED;
}

/* --- the session in it ---------------------------------------------------------------------------------------- */

static void take_signal(int signo, const struct hx_sender *sender, void *user) {
    (void)sender;
    struct hx_scratch *scratch = user;
    scratch->signo = signo;
    scratch->database->pg = hx_pg_free(scratch->database->pg); /* ends what runs */
}

static int enter(struct hx_scratch *scratch) {
    int r = hx_database_open(scratch->home->options, &scratch->site, &scratch->database);
    for (size_t i = 0; r == 0 && i < HX_ARRAY_LEN(signals); i++)
        if (hx_loop_signal(scratch->database->loop, signals[i], take_signal, scratch) < 0)
            r = HX_EXIT_SOFTWARE;
    if (r != 0)
        return r;
    _cleanup_free_ char *schema = hx_quote_name(scratch->home->schema);
    _cleanup_free_ char *create_schema = hx_printf("create schema if not exists %s", schema);
    const struct hx_statement statement = { create_schema, 1 };
    r = hx_scratch_settle(scratch);
    if (r == 0)
        r = hx_scratch_run(scratch, "scratch database", &statement, 1);
    scratch->site.schema = scratch->home->site->schema; /* for a session with the same search path it must be there */
    return r ? r : hx_scratch_settle(scratch);
}

int hx_scratch_make(struct hx_database *home, struct hx_scratch **ret) {
    HX_CLEANUP(names_reset) struct names names = { 0 };
    HX_CLEANUP(hx_scratch_drop_p) struct hx_scratch *scratch = NULL;
    int r = ask_names(home, &names);
    for (int i = 1; i < names.count; i++)
        drop(home, names.items[i], true);
    if (r == 0)
        r = create(home, names.items[0]);
    if (r != 0)
        return r;
    scratch = hx_alloc(sizeof *scratch);
    scratch->home = home;
    scratch->name = hx_strdup(names.items[0]);
    scratch->search_path = HX_TAKE(names.search_path);
    scratch->site = *home->site;
    scratch->site.database = scratch->name;
    scratch->site.schema = home->schema;
    r = enter(scratch);
    if (r == 0)
        *ret = HX_TAKE(scratch);
    return r;
}

struct hx_database *hx_scratch_database(struct hx_scratch *scratch) {
    return scratch->database;
}

int hx_scratch_run(struct hx_scratch *scratch, const char *path, const struct hx_statement *statements, size_t n) {
    struct hx_pg_error error = { .class = HX_PG_OK };
    if (!scratch->signo && n > 0) {
        struct hx_pg_tx *tx = hx_pg_tx_new("scratch");
        for (size_t i = 0; i < n; i++)
            hx_pg_tx_add(tx, hx_database_statement(scratch->database, "%s", statements[i].sql));
        hx_pg_run(scratch->database->pg, tx, 0, NULL, NULL, &error);
    }
    if (scratch->signo)
        return HX_EXIT_TRY_AGAIN; /* nobody sees it: hx_scratch_drop dies of the signal */
    if (error.class == HX_PG_OK)
        return 0;
    size_t at = error.statement >= 0 && (size_t)error.statement < n ? (size_t)error.statement : n - 1;
    _cleanup_buf_ struct hx_buf what = { 0 };
    hx_database_describe(&error, &what);
    hx_complain("%s:%u: %s", path, statements[at].line, what.data);
    return error.class == HX_PG_UNAVAILABLE ? HX_EXIT_UNAVAILABLE : HX_EXIT_NO;
}

int hx_scratch_settle(struct hx_scratch *scratch) {
    static const struct hx_pg_stmt stmt = {
        "scratch_path",
        "select set_config('search_path', $1::text, false), set_config('client_min_messages', 'error', false)",
    };
    if (scratch->signo)
        return HX_EXIT_TRY_AGAIN;
    int r = hx_database_settle(scratch->database);
    if (r != 0)
        return r;
    struct hx_pg_tx *tx = hx_pg_tx_new("scratch_path");
    hx_pg_tx_add(tx, &stmt);
    hx_pg_text(tx, scratch->search_path);
    return hx_database_ask(scratch->database, tx, NULL, NULL);
}

/* The signals stay blocked when their loop is gone. */
static void die_of(int signo) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < HX_ARRAY_LEN(signals); i++)
        sigaddset(&set, signals[i]);
    if (signo)
        raise(signo);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

struct hx_scratch *hx_scratch_drop(struct hx_scratch *scratch) {
    if (!scratch)
        return NULL;
    int signo = scratch->signo;
    hx_database_close(scratch->database);
    drop(scratch->home, scratch->name, signo != 0); /* what was interrupted may go on in it */
    free(scratch->name);
    free(scratch->search_path);
    free(scratch);
    die_of(signo);
    return NULL;
}
