#include "migrations/record.h"

#include "common/text.h"
#include "migrations/checksum.h"
#include "migrations/quote.h"

#include <errno.h>
#include <string.h>

static const char *const states[] = {
    [HX_RECORD_APPLIED] = "applied",
    [HX_RECORD_UPGRADING] = "upgrading",
    [HX_RECORD_DOWNGRADING] = "downgrading",
};

/* --- reading ------------------------------------------------------------------------------------------------ */

void hx_record_reset(struct hx_record *record) {
    for (size_t i = 0; i < record->version_count; i++)
        free(record->versions[i]);
    for (size_t i = 0; i < record->row_count; i++) {
        free(record->rows[i].revision);
        free(record->rows[i].when);
    }
    free(record->versions);
    free(record->rows);
    *record = (struct hx_record){ 0 };
}

static void read_tables(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct hx_record *record = user;
    if (error)
        return;
    record->has_version_table = hx_pg_get_bool(tx, 0, 0, 0);
    record->has_record_table = hx_pg_get_bool(tx, 0, 0, 1);
}

static void read_versions(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct hx_record *record = user;
    if (error)
        return;
    record->version_count = (size_t)hx_pg_rows(tx, 0);
    record->versions = hx_allocn(record->version_count + 1, sizeof *record->versions);
    for (size_t i = 0; i < record->version_count; i++)
        record->versions[i] = hx_strdup(hx_pg_get_text(tx, 0, (int)i, 0, NULL));
}

static enum hx_record_state state_of(const char *text) {
    for (size_t i = 0; i < HX_ARRAY_LEN(states); i++)
        if (hx_streq(states[i], text))
            return (enum hx_record_state)i;
    return HX_RECORD_APPLIED;
}

static void read_rows(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct hx_record *record = user;
    if (error)
        return;
    record->row_count = (size_t)hx_pg_rows(tx, 0);
    record->rows = hx_allocn(record->row_count + 1, sizeof *record->rows);
    for (size_t i = 0; i < record->row_count; i++) {
        struct hx_record_row *row = &record->rows[i];
        row->revision = hx_strdup(hx_pg_get_text(tx, 0, (int)i, 0, NULL));
        hx_strcopy(row->checksum, sizeof row->checksum, hx_pg_get_text(tx, 0, (int)i, 1, NULL));
        row->state = state_of(hx_pg_get_text(tx, 0, (int)i, 2, NULL));
        row->statements = (size_t)hx_pg_get_int4(tx, 0, (int)i, 3);
        row->started = hx_pg_get_bool(tx, 0, (int)i, 4);
        row->when = hx_strdup(hx_pg_get_text(tx, 0, (int)i, 5, NULL));
    }
}

static int read_with(struct hx_database *database, const struct hx_pg_stmt *stmt, const char *a, const char *b,
                     hx_pg_done_cb cb, struct hx_record *record) {
    struct hx_pg_tx *tx = hx_pg_tx_new("record");
    hx_pg_tx_add(tx, stmt);
    if (a)
        hx_pg_text(tx, a);
    if (b)
        hx_pg_text(tx, b);
    return hx_database_ask(database, tx, cb, record);
}

int hx_record_read(struct hx_database *database, struct hx_record *record) {
    static const struct hx_pg_stmt tables = {
        "record_tables",
        "select to_regclass($1::text) is not null, to_regclass($2::text) is not null",
    };
    hx_record_reset(record);
    int r = read_with(database, &tables, database->version_table, database->record_table, read_tables, record);
    if (r == 0 && record->has_version_table) {
        const struct hx_pg_stmt *versions =
            hx_database_statement(database, "select version_num::text from %s order by 1", database->version_table);
        r = read_with(database, versions, NULL, NULL, read_versions, record);
    }
    if (r == 0 && record->has_record_table) {
        const struct hx_pg_stmt *rows = hx_database_statement(
            database,
            "select revision::text, checksum::text, state::text, statements, started, "
            "to_char(coalesce(finished_at, started_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
            "from %s where version_table = $1::text order by started_at",
            database->record_table);
        r = read_with(database, rows, database->site->version_table, NULL, read_rows, record);
    }
    return r;
}

const struct hx_record_row *hx_record_find(const struct hx_record *record, const char *revision) {
    for (size_t i = 0; i < record->row_count; i++)
        if (hx_streq(record->rows[i].revision, revision))
            return &record->rows[i];
    return NULL;
}

/* --- making the tables -------------------------------------------------------------------------------------- */

#define CREATE_VERSION_TABLE                  \
    "create table if not exists %s (\n"       \
    "    version_num varchar(32) not null,\n" \
    "    constraint %s primary key (version_num)\n)"
#define CREATE_RECORD_TABLE                                \
    "create table if not exists %s (\n"                    \
    "    version_table varchar(63) not null,\n"            \
    "    revision varchar(32) not null,\n"                 \
    "    checksum char(64) not null,\n"                    \
    "    state varchar(20) not null,\n"                    \
    "    statements integer not null,\n"                   \
    "    started boolean not null default false,\n"        \
    "    started_at timestamptz not null default now(),\n" \
    "    finished_at timestamptz,\n"                       \
    "    took_ms bigint,\n"                                \
    "    primary key (version_table, revision)\n)"

/* As Alembic names it; the caller frees. */
static char *constraint_of(const char *name) {
    _cleanup_free_ char *plain = hx_printf("%s_pkc", name);
    return hx_streq(name, HX_VERSION_TABLE) ? hx_strdup(plain) : hx_quote_name(plain);
}

void hx_record_create_sql(struct hx_buf *out, const char *version_table, const char *name, const char *record_table) {
    _cleanup_free_ char *constraint = constraint_of(name);
    hx_buf_printf(out, CREATE_VERSION_TABLE ";\n", version_table, constraint);
    hx_buf_printf(out, CREATE_RECORD_TABLE ";\n", record_table);
}

int hx_record_create(struct hx_database *database, struct hx_record *record) {
    if (record->has_version_table && record->has_record_table)
        return 0;
    _cleanup_free_ char *constraint = constraint_of(database->site->version_table);
    struct hx_pg_tx *tx = hx_pg_tx_new("record_create");
    if (!database->has_schema)
        hx_pg_tx_add(tx, hx_database_statement(database, "create schema if not exists %.*s",
                                               (int)(strlen(database->record_table) - strlen("." HX_RECORD_TABLE)),
                                               database->record_table));
    if (!record->has_version_table)
        hx_pg_tx_add(tx, hx_database_statement(database, CREATE_VERSION_TABLE, database->version_table, constraint));
    if (!record->has_record_table)
        hx_pg_tx_add(tx, hx_database_statement(database, CREATE_RECORD_TABLE, database->record_table));
    int r = hx_database_ask(database, tx, NULL, NULL);
    if (r == 0)
        record->has_version_table = record->has_record_table = database->has_schema = true;
    return r;
}

/* --- judging ------------------------------------------------------------------------------------------------ */

int hx_record_position(const struct hx_record *record, const struct hx_chain *chain, size_t *ret_position) {
    size_t index;
    if (record->version_count > 1)
        return -ENOTUNIQ;
    if (record->version_count == 1 && hx_chain_find_exactly(chain, record->versions[0], &index) < 0)
        return -ENOENT;
    *ret_position = record->version_count ? index + 1 : 0;
    return 0;
}

static void tell_unknown(const char *revision, const char *table, const struct hx_chain *chain,
                         struct hx_problems *problems) {
    struct hx_problem *problem = hx_problem_add(
        problems, "applied but unknown", revision,
        "%s: no file of the chain declares the revision that is applied, as %s says; a newer version has "
        "probably upgraded this database, or its file was deleted",
        revision, table);
    hx_problem_mend(
        problem,
        "use the version or the chain that has it; or, where the schema is known to be at %s: heimdex-migrate "
        "stamp --purge %s",
        hx_chain_head(chain)->id, hx_chain_head(chain)->id);
}

static void tell_several(const struct hx_record *record, struct hx_problems *problems) {
    _cleanup_buf_ struct hx_buf ids = { 0 };
    for (size_t i = 0; i < record->version_count; i++)
        hx_buf_printf(&ids, "%s%s", i ? ", " : "", record->versions[i]);
    struct hx_problem *problem = hx_problem_add(
        problems, "several revisions", NULL,
        "the version table has %zu rows (%s): the database stands at several revisions at once, a chain has "
        "one",
        record->version_count, ids.data);
    hx_problem_mend(problem, "when it is known which one is right: heimdex-migrate stamp --purge REV");
}

static void check_row(const struct hx_record_row *row, const struct hx_record *record, const struct hx_chain *chain,
                      size_t position, struct hx_problems *problems) {
    size_t index;
    if (hx_chain_find_exactly(chain, row->revision, &index) < 0) {
        if (row->state == HX_RECORD_APPLIED)
            tell_unknown(row->revision, HX_RECORD_TABLE, chain, problems);
        return;
    }
    const struct hx_revision *r = hx_chain_at(chain, index);
    char now[HX_SHA256_HEX_SIZE];
    hx_checksum(&r->upgrade, r->upgrade.count, now);
    if (row->state != HX_RECORD_APPLIED || index >= position || hx_streq(now, row->checksum))
        return;
    struct hx_problem *problem = hx_problem_add(problems, "edited since applied", r->id,
                                                "the SQL of %s isn't what was applied at %s (its checksum was %.12s, "
                                                "and is %.12s); the file was probably edited "
                                                "instead of a new revision made",
                                                r->id, row->when, row->checksum, now);
    hx_problem_file(problem, r->path);
    hx_problem_mend(problem,
                    "put it back: git log -p -- %s; or, where the database has the new SQL's effect: "
                    "heimdex-migrate stamp %s",
                    r->path, record->versions[0]);
}

void hx_record_check(const struct hx_record *record, const struct hx_chain *chain, struct hx_problems *problems) {
    size_t position;
    int r = hx_record_position(record, chain, &position);
    if (r == -ENOTUNIQ)
        tell_several(record, problems);
    if (r == -ENOENT)
        tell_unknown(record->versions[0], "the version table", chain, problems);
    for (size_t i = 0; r == 0 && i < record->row_count; i++)
        check_row(&record->rows[i], record, chain, position, problems);
}

/* --- what was interrupted ------------------------------------------------------------------------------------ */

static const struct hx_record_row *find_in(const struct hx_record *record, const struct hx_chain *chain, size_t index,
                                           enum hx_record_state state) {
    const struct hx_record_row *row =
        index < hx_chain_count(chain) ? hx_record_find(record, hx_chain_at(chain, index)->id) : NULL;
    return row && row->state == state ? row : NULL;
}

const struct hx_record_row *hx_record_interrupted(const struct hx_record *record, const struct hx_chain *chain,
                                                  size_t position) {
    const struct hx_record_row *up = find_in(record, chain, position, HX_RECORD_UPGRADING);
    return up || position == 0 ? up : find_in(record, chain, position - 1, HX_RECORD_DOWNGRADING);
}

void hx_record_tell_interrupted(const struct hx_record_row *row, struct hx_problems *problems) {
    bool down = row->state == HX_RECORD_DOWNGRADING;
    const char *verb = down ? "downgrade" : "upgrade";
    struct hx_problem *problem =
        hx_problem_add(problems, "interrupted", row->revision, "%s: its %s was interrupted after statement %zu",
                       row->revision, verb, row->statements);
    hx_problem_mend(problem, "let it end first: heimdex-migrate %s %s", verb, down ? "-1" : row->revision);
}

void hx_record_check_ended(const struct hx_record *record, const struct hx_chain *chain, struct hx_problems *problems) {
    size_t position;
    const struct hx_record_row *row = NULL;
    if (hx_record_position(record, chain, &position) == 0)
        row = hx_record_interrupted(record, chain, position);
    if (row)
        hx_record_tell_interrupted(row, problems);
}

/* --- parts of a transaction --------------------------------------------------------------------------------- */

int hx_record_add_check(struct hx_pg_tx *tx, struct hx_database *database, const char *id) {
    const char *table = database->version_table;
    if (!id)
        return hx_pg_tx_add(tx, hx_database_statement(database, "select 1 / (count(*) = 0)::int from %s", table));
    int index = hx_pg_tx_add(
        tx, hx_database_statement(
                database,
                "select 1 / (count(*) = 1 and coalesce(bool_and(version_num = $1::text), false))::int from %s", table));
    hx_pg_text(tx, id);
    return index;
}

int hx_record_add_move(struct hx_pg_tx *tx, struct hx_database *database, const char *from, const char *to) {
    const char *table = database->version_table;
    int index;
    if (!from)
        index =
            hx_pg_tx_add(tx, hx_database_statement(database, "insert into %s (version_num) values ($1::text)", table));
    else if (to)
        index = hx_pg_tx_add(
            tx, hx_database_statement(
                    database,
                    "with moved as (update %s set version_num = $2::text where version_num = $1::text returning 1) "
                    "select 1 / (count(*) = 1)::int from moved",
                    table));
    else
        index = hx_pg_tx_add(
            tx, hx_database_statement(database,
                                      "with moved as (delete from %s where version_num = $1::text returning 1) "
                                      "select 1 / (count(*) = 1)::int from moved",
                                      table));
    if (from)
        hx_pg_text(tx, from);
    if (to)
        hx_pg_text(tx, to);
    return index;
}

void hx_record_add_row(struct hx_pg_tx *tx, struct hx_database *database, const struct hx_record_row *row) {
    bool applied = row->state == HX_RECORD_APPLIED;
    hx_pg_tx_add(tx,
                 hx_database_statement(
                     database,
                     "insert into %s as r (version_table, revision, checksum, state, statements, started, finished_at, "
                     "took_ms) values ($1::text, $2::text, $3::text, $4::text, $5::int4, $6::bool, "
                     "case when $7::bool then clock_timestamp() end, "
                     "case when $7::bool then extract(epoch from clock_timestamp() - now()) * 1000 end) "
                     "on conflict (version_table, revision) do update set checksum = excluded.checksum, "
                     "state = excluded.state, statements = excluded.statements, started = excluded.started, "
                     "started_at = case when r.state = 'applied' then excluded.started_at else r.started_at end, "
                     "finished_at = excluded.finished_at, took_ms = case when not $7::bool then null "
                     "when r.state = 'applied' then excluded.took_ms "
                     "else extract(epoch from clock_timestamp() - r.started_at) * 1000 end",
                     database->record_table));
    hx_pg_text(tx, database->site->version_table);
    hx_pg_text(tx, row->revision);
    hx_pg_text(tx, row->checksum);
    hx_pg_text(tx, states[row->state]);
    hx_pg_int4(tx, (int32_t)row->statements);
    hx_pg_bool(tx, row->started);
    hx_pg_bool(tx, applied);
}

void hx_record_add_forget(struct hx_pg_tx *tx, struct hx_database *database, const char *revision) {
    hx_pg_tx_add(tx, hx_database_statement(database,
                                           "delete from %s where version_table = $1::text and revision = $2::text",
                                           database->record_table));
    hx_pg_text(tx, database->site->version_table);
    hx_pg_text(tx, revision);
}
