#include "migrations/index.h"

#include "common/log.h"

/* What there is of the name. */
struct found {
    char *name; /* quoted, with its schema; NULL: there is none */
    bool valid;
};

static void read_found(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct found *found = user;
    if (error || hx_pg_rows(tx, 0) == 0)
        return;
    found->name = hx_strdup(hx_pg_get_text(tx, 0, 0, 0, NULL));
    found->valid = hx_pg_get_bool(tx, 0, 0, 1);
}

/* A built index lies in the schema of its table; a dropped one is found as its name is. */
static int find(struct hx_database *database, const struct hx_statement_info *info, struct found *ret) {
    static const struct hx_pg_stmt built = {
        "index_built",
        "select format('%I.%I', n.nspname, c.relname), i.indisvalid from pg_index i join pg_class c on c.oid = "
        "i.indexrelid "
        "join pg_namespace n on n.oid = c.relnamespace where i.indrelid = to_regclass($2::text) "
        "and c.relname = (parse_ident($1::text))[1]",
    };
    static const struct hx_pg_stmt dropped = {
        "index_dropped",
        "select to_regclass($1::text)::text, true where to_regclass($1::text) is not null",
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("index");
    hx_pg_tx_add(tx, info->table ? &built : &dropped);
    hx_pg_text(tx, info->index);
    if (info->table)
        hx_pg_text(tx, info->table);
    return hx_database_ask(database, tx, read_found, ret);
}

static int drop(struct hx_database *database, const char *name) {
    struct hx_pg_error error;
    struct hx_pg_tx *tx = hx_pg_tx_new("index_drop");
    hx_complain("%s: dropping this index, which an interrupted build has left invalid", name);
    hx_pg_tx_add(tx, hx_database_statement(database, "drop index concurrently if exists %s", name));
    if (hx_pg_run(database->pg, tx, 0, NULL, NULL, &error) == HX_PG_OK)
        return 0;
    return hx_database_complain(&error);
}

int hx_index_prepare(struct hx_database *database, const struct hx_statement_info *info, bool started_before,
                     bool *ret_done) {
    if (!info->index)
        return 0;
    struct found found = { 0 };
    int r = find(database, info, &found);
    bool builds = info->kind == HX_STATEMENT_BUILDS_INDEX;
    if (r == 0 && builds && found.name && !found.valid)
        r = drop(database, found.name);
    else
        *ret_done = started_before && (builds ? found.name != NULL : found.name == NULL);
    free(found.name);
    return r;
}

static void read_invalid(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    (void)user;
    for (int i = 0; !error && i < hx_pg_rows(tx, 0); i++) {
        const char *name = hx_pg_get_text(tx, 0, i, 0, NULL);
        hx_complain("warning: %s: this index is invalid, no query uses it: drop index concurrently %s", name, name);
    }
}

int hx_index_warn(struct hx_database *database) {
    static const struct hx_pg_stmt invalid = {
        "index_invalid",
        "select format('%I.%I', n.nspname, c.relname) from pg_index i join pg_class c on c.oid = i.indexrelid "
        "join pg_namespace n on n.oid = c.relnamespace where not i.indisvalid and c.relkind = 'i' "
        "and n.nspname = $1::text order by 1",
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("index_invalid");
    hx_pg_tx_add(tx, &invalid);
    hx_pg_text(tx, database->schema);
    return hx_database_ask(database, tx, read_invalid, NULL);
}
