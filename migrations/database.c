#include "migrations/database.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "common/text.h"

#include <string.h>

#define CONNECT_MS 10000

/* lib/pg sets its sessions up for short statements that always take the same plan. A revision is the opposite: DDL
 * that waits longer for its locks, and statements over whole tables. Each of them sees what was committed before it,
 * whatever the database's default: the check for the version depends on it. */
static const char settings[] = "-c lock_timeout=10s -c default_transaction_isolation=read\\ committed"
                               " -c standard_conforming_strings=on -c plan_cache_mode=auto -c enable_hashjoin=on"
                               " -c enable_mergejoin=on -c enable_seqscan=on";

/* --- the connection ----------------------------------------------------------------------------------------- */

int hx_database_open(const struct hx_config *config, struct hx_database **ret) {
    struct hx_database *database = hx_alloc(sizeof *database);
    struct hx_pg_options options = {
        .application_name = "heimdex-migrate",
        .timeout_ms = HX_MIN(hx_config_int(config, HX_POSTGRES_TIMEOUT), (int64_t)CONNECT_MS),
        .depth = 1,
        .fail_fast = true,
        .no_prepare = true,
        .settings = settings,
    };
    hx_config_postgres(config, &options.keywords, &options.values);
    int r = hx_loop_new(&database->loop);
    if (r == 0)
        r = hx_pg_new(database->loop, &options, NULL, NULL, &database->pg);
    if (r < 0) {
        hx_complain("postgresql: %s", strerror(-r));
        hx_database_close(database);
        return HX_EXIT_SOFTWARE;
    }
    *ret = database;
    return 0;
}

void hx_database_keep(struct hx_database *database, void *pointer) {
    database->kept = hx_realloc(database->kept, (database->kept_count + 1) * sizeof *database->kept);
    database->kept[database->kept_count++] = pointer;
}

struct hx_database *hx_database_close(struct hx_database *database) {
    if (!database)
        return NULL;
    hx_pg_free(database->pg);
    hx_loop_free(database->loop);
    for (size_t i = 0; i < database->kept_count; i++)
        free(database->kept[i]);
    free(database->kept);
    free(database);
    return NULL;
}

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

int hx_database_complain(const struct hx_pg_error *error) {
    hx_complain("postgresql: %s%s%s", error->sqlstate, error->sqlstate[0] ? ": " : "", error->message);
    return hx_database_exit(error);
}

/* --- the version table -------------------------------------------------------------------------------------- */

/* table: schema and name, quoted. is_at and is_empty fail with a division by zero when the answer is no, which ends
 * the transaction they stand in; so does a change that finds not exactly the row it expects. */
static void name_table(struct hx_database *database, const char *table) {
    static const char *const formats[] = {
        "select version_num::text from %s order by 1",
        "create table if not exists %s (version_num varchar(32) not null, "
        "constraint alembic_version_pkc primary key (version_num))",
        "select 1 / (count(*) = 1 and coalesce(bool_and(version_num = $1::text), false))::int from %s",
        "select 1 / (count(*) = 0)::int from %s",
        "insert into %s (version_num) values ($1::text)",
        "with moved as (update %s set version_num = $2::text where version_num = $1::text returning 1) "
        "select 1 / (count(*) = 1)::int from moved",
        "with moved as (delete from %s where version_num = $1::text returning 1) "
        "select 1 / (count(*) = 1)::int from moved",
    };
    const char *sql[HX_ARRAY_LEN(formats)];
    for (size_t i = 0; i < HX_ARRAY_LEN(formats); i++) {
        const char *at = strstr(formats[i], "%s");
        char *text = hx_printf("%.*s%s%s", (int)(at - formats[i]), formats[i], table, at + 2);
        hx_database_keep(database, text);
        sql[i] = text;
    }
    database->sql = (struct hx_version_sql){
        .read = { "version_read", sql[0] },
        .create = { "version_create", sql[1] },
        .is_at = { "version_is_at", sql[2] },
        .is_empty = { "version_is_empty", sql[3] },
        .insert = { "version_insert", sql[4] },
        .update = { "version_update", sql[5] },
        .delete = { "version_delete", sql[6] },
    };
}

/* Where the version table is or would be. */
struct place {
    char *table; /* NULL: the search path names no schema that exists */
    bool exists;
};

static void read_place(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct place *place = user;
    if (error || hx_pg_is_null(tx, 0, 0, 0))
        return;
    place->table = hx_strdup(hx_pg_get_text(tx, 0, 0, 0, NULL));
    place->exists = hx_pg_get_bool(tx, 0, 0, 1);
}

static int find_table(struct hx_database *database) {
    static const struct hx_pg_stmt find = {
        "version_find",
        "select quote_ident(current_schema()) || '.alembic_version', "
        "to_regclass(quote_ident(current_schema()) || '.alembic_version') is not null",
    };
    struct place place = { 0 };
    struct hx_pg_error error;
    struct hx_pg_tx *tx = hx_pg_tx_new("version_find");
    hx_pg_tx_add(tx, &find);
    if (hx_pg_run(database->pg, tx, 0, read_place, &place, &error) != HX_PG_OK)
        return hx_database_complain(&error);
    if (!place.table) {
        hx_complain("postgresql: search_path: none of its schemas exists");
        return HX_EXIT_NO;
    }
    database->has_table = place.exists;
    if (!database->sql.read.sql)
        name_table(database, place.table);
    free(place.table);
    return 0;
}

struct version {
    char *id;
    int rows;
};

static void read_version(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct version *version = user;
    if (error)
        return;
    version->rows = hx_pg_rows(tx, 0);
    if (version->rows == 1)
        version->id = hx_strdup(hx_pg_get_text(tx, 0, 0, 0, NULL));
}

int hx_database_version(struct hx_database *database, char **ret_id) {
    int r = find_table(database);
    if (r != 0)
        return r;
    *ret_id = NULL;
    if (!database->has_table)
        return 0;
    struct version version = { 0 };
    struct hx_pg_error error;
    struct hx_pg_tx *tx = hx_pg_tx_new("version_read");
    hx_pg_tx_add(tx, &database->sql.read);
    if (hx_pg_run(database->pg, tx, 0, read_version, &version, &error) != HX_PG_OK)
        return hx_database_complain(&error);
    if (version.rows > 1) {
        hx_complain("alembic_version: %d rows: the database stands at several revisions at once, a chain has one",
                    version.rows);
        return HX_EXIT_NO;
    }
    *ret_id = version.id;
    return 0;
}
