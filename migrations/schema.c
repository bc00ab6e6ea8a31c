#include "migrations/schema.h"

#include "catalog_sql.h"
#include "common/text.h"

#include <string.h>

#define READ_MS 60000

/* Only what lies elsewhere is then named with its schema, so that texts of differently named schemas compare. */
static const struct hx_pg_stmt enter = { "schema_enter",
                                         "select set_config('search_path', quote_ident($1::text), true)" };
static const struct hx_pg_stmt facts = { "schema_facts", hx_sql_facts };

enum { RANK, KIND, OBJECT, OWNER, ASPECT, VALUE, MAKE, UNMAKE, FLAGS, ATTACH, DETACH, VIEWS };

static char *text_or_null(const struct hx_pg_tx *tx, int statement, int row, int col) {
    const char *text = hx_pg_get_text(tx, statement, row, col, NULL);
    return text ? hx_strdup(text) : NULL;
}

static char *text_at(const struct hx_pg_tx *tx, int statement, int row, int col) {
    char *text = text_or_null(tx, statement, row, col);
    return text ? text : hx_strdup("");
}

static void take_rows(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct hx_schema *schema = user;
    if (error)
        return;
    const int n = 1; /* the statement of that index */
    int rows = hx_pg_rows(tx, n);
    schema->facts = hx_allocn((size_t)rows + 1, sizeof *schema->facts);
    for (int row = 0; row < rows; row++) {
        _cleanup_free_ char *flags = text_at(tx, n, row, FLAGS);
        schema->facts[schema->count++] = (struct hx_fact){
            .rank = hx_pg_get_int4(tx, n, row, RANK),
            .kind = text_at(tx, n, row, KIND),
            .object = text_at(tx, n, row, OBJECT),
            .owner = text_at(tx, n, row, OWNER),
            .aspect = text_at(tx, n, row, ASPECT),
            .value = text_at(tx, n, row, VALUE),
            .make = text_or_null(tx, n, row, MAKE),
            .unmake = text_or_null(tx, n, row, UNMAKE),
            .attach = text_or_null(tx, n, row, ATTACH),
            .detach = text_or_null(tx, n, row, DETACH),
            .views = text_or_null(tx, n, row, VIEWS),
            .covered = strchr(flags, 'c'),
            .lossy = strchr(flags, 'l'),
            .replace = strchr(flags, 'r'),
            .minor = strchr(flags, 'o'),
            .is_type = strchr(flags, 't'),
        };
    }
}

enum hx_pg_class hx_schema_read(struct hx_pg *pg, const char *schema, const char *version_table, struct hx_schema *ret,
                                struct hx_pg_error *reterr) {
    struct hx_pg_tx *tx = hx_pg_tx_new("schema_read");
    hx_pg_tx_add(tx, &enter);
    hx_pg_text(tx, schema);
    hx_pg_tx_add(tx, &facts);
    hx_pg_text(tx, version_table);
    return hx_pg_run(pg, tx, READ_MS, take_rows, ret, reterr);
}

void hx_schema_reset(struct hx_schema *schema) {
    for (size_t i = 0; i < schema->count; i++) {
        struct hx_fact *f = &schema->facts[i];
        char *texts[] = { f->kind, f->object, f->owner,  f->aspect, f->value,
                          f->make, f->unmake, f->attach, f->detach, f->views };
        for (size_t j = 0; j < HX_ARRAY_LEN(texts); j++)
            free(texts[j]);
    }
    free(schema->facts);
    *schema = (struct hx_schema){ 0 };
}
