#include "migrations/database.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "common/text.h"
#include "migrations/quote.h"
#include "migrations/record.h"

#include <inttypes.h>
#include <string.h>

#define CONNECT_MS 10000
/* A revision takes as long as it takes; only --statement-timeout ends it. The server wants less than 24 days. */
#define REVISION_MS (INT64_C(20) * 24 * 3600 * 1000)

/* --- the connection ----------------------------------------------------------------------------------------- */

static void tell_notice(const char *severity, const char *message, void *user) {
    (void)user;
    if (!hx_streq(severity, "DEBUG") && !hx_streq(severity, "LOG"))
        hx_complain("%s: %s", severity, message);
}

/* The configured keywords, with the site's database behind them: of two the last one counts. */
struct keywords {
    const char **keywords, **values;
};

static struct keywords keywords_of(const struct hx_config *config, const struct hx_site *site) {
    const char *const *keywords, *const *values;
    hx_config_postgres(config, &keywords, &values);
    size_t n = 0;
    while (keywords[n])
        n++;
    struct keywords k = { hx_allocn(n + 2, sizeof *k.keywords), hx_allocn(n + 2, sizeof *k.values) };
    for (size_t i = 0; i < n; i++) {
        k.keywords[i] = keywords[i];
        k.values[i] = values[i];
    }
    if (site->database) {
        k.keywords[n] = "dbname";
        k.values[n] = site->database;
    }
    return k;
}

static int connect_to(const struct hx_database *database, void (*notice)(const char *, const char *, void *),
                      struct hx_pg **ret) {
    const struct hx_config *config = database->options->config;
    struct keywords k = keywords_of(config, database->site);
    struct hx_pg_options options = {
        .keywords = k.keywords,
        .values = k.values,
        .application_name = "heimdex-migrate",
        .timeout_ms = REVISION_MS,
        .connect_ms = HX_MIN(hx_config_int(config, HX_POSTGRES_TIMEOUT), (int64_t)CONNECT_MS),
        .depth = 1,
        .fail_fast = true,
        .no_prepare = true,
        .notice = notice,
    };
    int r = hx_pg_new(database->loop, &options, NULL, NULL, ret);
    free(k.keywords);
    free(k.values);
    return r;
}

int hx_database_second(const struct hx_database *database, struct hx_pg **ret) {
    return connect_to(database, NULL, ret);
}

struct hx_database *hx_database_close(struct hx_database *database) {
    if (!database)
        return NULL;
    hx_pg_free(database->pg);
    hx_loop_free(database->loop);
    for (size_t i = 0; i < database->kept_count; i++)
        free(database->kept[i]);
    free(database->kept);
    free(database->schema);
    free(database->version_table);
    free(database->record_table);
    free(database);
    return NULL;
}

/* --- failures ----------------------------------------------------------------------------------------------- */

int hx_database_exit(const struct hx_pg_error *error) {
    if (hx_streq(error->sqlstate, "3D000")) /* no such database: to whoever starts us it is away */
        return HX_EXIT_UNAVAILABLE;
    switch (error->class) {
    case HX_PG_OK: return HX_EXIT_OK;
    case HX_PG_RETRY: return HX_EXIT_TRY_AGAIN;
    case HX_PG_UNAVAILABLE: return HX_EXIT_UNAVAILABLE;
    case HX_PG_DENIED: return HX_EXIT_NOT_PERMITTED;
    case HX_PG_OTHER: return error->sqlstate[0] ? HX_EXIT_NO : HX_EXIT_CONFIG; /* libpq refused what it was given */
    case HX_PG_DATA:
    case HX_PG_SCHEMA: return HX_EXIT_NO;
    }
    return HX_EXIT_SOFTWARE;
}

void hx_database_describe(const struct hx_pg_error *error, struct hx_buf *out) {
    hx_buf_printf(out, "%s%s%s%s%s", error->sqlstate, error->sqlstate[0] ? ": " : "", error->message,
                  error->detail[0] ? ": " : "", error->detail);
}

int hx_database_complain(const struct hx_pg_error *error) {
    if (strstr(error->message, "unsupported startup parameter")) { /* pgbouncer's words */
        hx_complain("postgresql: %s: a pooling proxy stands in between, and migrations need a session: connect to the "
                    "server itself",
                    error->message);
        return HX_EXIT_CONFIG;
    }
    _cleanup_buf_ struct hx_buf what = { 0 };
    hx_database_describe(error, &what);
    hx_complain("postgresql: %s", what.data);
    return hx_database_exit(error);
}

/* --- statements --------------------------------------------------------------------------------------------- */

static void *keep(struct hx_database *database, void *pointer) {
    database->kept = hx_realloc(database->kept, (database->kept_count + 1) * sizeof *database->kept);
    database->kept[database->kept_count++] = pointer;
    return pointer;
}

const struct hx_pg_stmt *hx_database_statement(struct hx_database *database, const char *fmt, ...) {
    struct hx_buf sql = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    struct hx_pg_stmt *stmt = keep(database, hx_alloc(sizeof *stmt));
    *stmt = (struct hx_pg_stmt){ "migrate", keep(database, hx_buf_take(&sql)) };
    return stmt;
}

int hx_database_ask(struct hx_database *database, struct hx_pg_tx *tx, hx_pg_done_cb cb, void *user) {
    struct hx_pg_error error;
    if (hx_pg_run(database->pg, tx, HX_DATABASE_ASK_MS, cb, user, &error) == HX_PG_OK)
        return 0;
    return hx_database_complain(&error);
}

/* --- the session -------------------------------------------------------------------------------------------- */

/* lib/pg sets its sessions up for short statements that always take the same plan. A revision is the opposite: DDL, and
 * statements over whole tables. Each of them sees what was committed before it, whatever the database's default: the
 * check for the version depends on it. They are set here, and not when connecting, because a proxy may drop those. */
static void add_settings(struct hx_pg_tx *tx, const struct hx_migrate *options) {
    static const struct hx_pg_stmt set = {
        "migrate_set",
        "select count(set_config(name, value, false)) from unnest($1::text[], $2::text[]) as s (name, value)",
    };
    char lock[24], statement[24];
    snprintf(lock, sizeof lock, "%" PRId64, options->lock_timeout_ms);
    snprintf(statement, sizeof statement, "%" PRId64, options->statement_timeout_ms);
    const struct {
        const char *name, *value;
    } settings[] = {
        { "lock_timeout", lock },
        { "default_transaction_isolation", "read committed" },
        { "standard_conforming_strings", "on" },
        { "plan_cache_mode", "auto" },
        { "enable_hashjoin", "on" },
        { "enable_mergejoin", "on" },
        { "enable_seqscan", "on" },
        { "heimdex.status_map", options->status_map.len ? options->status_map.data : "" },
        { "statement_timeout", statement }, /* unless given, the server's or PGOPTIONS' own stays */
    };
    const char *names[HX_ARRAY_LEN(settings)], *values[HX_ARRAY_LEN(settings)];
    for (size_t i = 0; i < HX_ARRAY_LEN(settings); i++) {
        names[i] = settings[i].name;
        values[i] = settings[i].value;
    }
    size_t n = HX_ARRAY_LEN(settings) - !(options->given & 1u << HX_OPT_STATEMENT_TIMEOUT);
    hx_pg_tx_add(tx, &set);
    hx_pg_texts(tx, names, n);
    hx_pg_texts(tx, values, n);
}

/* The site's schema goes before the path that the session began with. */
static void add_search_path(struct hx_pg_tx *tx, const struct hx_site *site) {
    static const struct hx_pg_stmt path = {
        "migrate_path",
        "select set_config('search_path', concat_ws(', ', quote_ident($1::text), nullif(reset_val, '')), false) "
        "from pg_settings where name = 'search_path' and $1::text is not null",
    };
    hx_pg_tx_add(tx, &path);
    hx_pg_text(tx, site->schema);
}

static void read_session(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct hx_database *database = user;
    if (error)
        return;
    database->backend = hx_pg_get_int4(tx, 2, 0, 0);
    free(database->schema);
    const char *current = hx_pg_get_text(tx, 2, 0, 1, NULL);
    database->schema = current ? hx_strdup(current) : NULL;
    database->has_schema = hx_pg_get_bool(tx, 2, 0, 2);
}

int hx_database_settle(struct hx_database *database) {
    static const struct hx_pg_stmt session = {
        "migrate_session",
        "select pg_backend_pid(), coalesce($1::text, current_schema()::text), "
        "to_regnamespace(quote_ident(coalesce($1::text, current_schema()::text))) is not null",
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("session");
    add_search_path(tx, database->site);
    add_settings(tx, database->options);
    hx_pg_tx_add(tx, &session);
    hx_pg_text(tx, database->site->schema);
    return hx_database_ask(database, tx, read_session, database);
}

static int begin(struct hx_database *database) {
    int r = hx_loop_new(&database->loop);
    if (r == 0)
        r = connect_to(database, tell_notice, &database->pg);
    if (r < 0) {
        hx_complain("postgresql: %s", strerror(-r));
        return HX_EXIT_SOFTWARE;
    }
    r = hx_database_settle(database);
    if (r != 0)
        return r;
    if (!database->schema) {
        hx_complain("postgresql: search_path: none of its schemas exists");
        return HX_EXIT_NO;
    }
    _cleanup_free_ char *schema = hx_quote_name(database->schema);
    _cleanup_free_ char *table = hx_quote_name(database->site->version_table);
    database->version_table = hx_printf("%s.%s", schema, table);
    database->record_table = hx_printf("%s.%s", schema, HX_RECORD_TABLE);
    return 0;
}

int hx_database_open(const struct hx_migrate *options, const struct hx_site *site, struct hx_database **ret) {
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = hx_alloc(sizeof *database);
    database->options = options;
    database->site = site;
    int r = begin(database);
    if (r == 0)
        *ret = HX_TAKE(database);
    return r;
}
