#include "migrations/wanted.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/scratch.h"
#include "migrations/statement.h"

#include <errno.h>
#include <string.h>

/* --- reading -------------------------------------------------------------------------------------------------- */

static int read_schema(struct hx_pg *pg, const struct hx_database *live, struct hx_schema *ret) {
    struct hx_pg_error error;
    if (hx_schema_read(pg, live->schema, live->site->version_table, ret, &error) == HX_PG_OK)
        return 0;
    return hx_database_complain(&error);
}

int hx_live_read(struct hx_database *live, struct hx_schema *ret) {
    return read_schema(live->pg, live, ret);
}

/* --- a chain or a file, by way of a scratch database ---------------------------------------------------------- */

static int run_one_by_one(struct hx_scratch *scratch, const char *path, const struct hx_statements *statements) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < statements->count; i++)
        r = hx_scratch_run(scratch, path, &statements->items[i], 1);
    return r;
}

/* What one revision set for its session must not reach the next one. */
static int apply_chain(struct hx_scratch *scratch, const struct hx_chain *chain) {
    int r = 0;
    for (size_t i = 0; r == 0 && chain && i < hx_chain_count(chain); i++) {
        const struct hx_revision *revision = hx_chain_at(chain, i);
        const struct hx_statements *upgrade = &revision->upgrade;
        r = revision->no_transaction ? run_one_by_one(scratch, revision->path, upgrade)
                                     : hx_scratch_run(scratch, revision->path, upgrade->items, upgrade->count);
        if (r == 0)
            r = hx_scratch_settle(scratch);
    }
    return r;
}

/* pg_dump's commands to psql begin with a backslash at a line's start. */
static void blank_commands(char *text) {
    for (char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (*line == '\\')
            memset(line, ' ', strcspn(line, "\n"));
    }
}

static int read_file(const char *path, struct hx_buf *ret) {
    _cleanup_fclose_ FILE *file = fopen(path, "re");
    size_t n = 1;
    while (file && n > 0) {
        n = fread(hx_buf_reserve(ret, 65536), 1, 65536, file);
        ret->len += n;
    }
    if (file && !ferror(file)) {
        hx_buf_append(ret, "", 1);
        return 0;
    }
    hx_complain("--against: %s: %s", path, strerror(errno));
    return HX_EXIT_DATA;
}

/* The client's streams, whose data would stand in the file: what follows is no SQL, so this comes before any other complaint. */
static int refuse_streams(const char *path, const struct hx_statements *statements) {
    for (size_t i = 0; i < statements->count; i++)
        if (hx_statement_streams(statements->items[i].sql)) {
            hx_complain("--against: %s:%u: COPY can't read or write the client's streams here; pg_dump --inserts or "
                        "--schema-only writes a file without it",
                        path, statements->items[i].line);
            return HX_EXIT_DATA;
        }
    return 0;
}

static int load_file(const char *path, struct hx_statements *ret) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    int r = read_file(path, &text);
    if (r != 0)
        return r;
    blank_commands(text.data);
    unsigned line;
    const char *why;
    int split = hx_split(text.data, strlen(text.data), 1, ret, &line, &why);
    r = refuse_streams(path, ret);
    if (r == 0 && split < 0) {
        hx_complain("--against: %s:%u: %s", path, line, why);
        r = HX_EXIT_DATA;
    }
    return r;
}

static int apply_file(struct hx_scratch *scratch, const char *path, const struct hx_statements *statements) {
    int r = run_one_by_one(scratch, path, statements);
    return r ? r : hx_scratch_settle(scratch);
}

static int read_scratch(struct hx_database *live, struct hx_schema *ret) {
    HX_CLEANUP(hx_scratch_drop_p) struct hx_scratch *scratch = NULL;
    HX_CLEANUP(hx_statements_reset) struct hx_statements statements = { 0 };
    const char *file = live->options->against;
    int r = file ? load_file(file, &statements) : 0;
    if (r == 0)
        r = hx_scratch_make(live, &scratch);
    if (r == 0)
        r = file ? apply_file(scratch, file, &statements) : apply_chain(scratch, live->site->chain);
    return r ? r : read_schema(hx_scratch_database(scratch)->pg, live, ret);
}

/* --- another database ----------------------------------------------------------------------------------------- */

static bool is_dsn(const char *against) {
    return strstr(against, "://") || (strchr(against, '=') && access(against, F_OK) != 0);
}

static int read_dsn(struct hx_database *live, const char *dsn, struct hx_schema *ret) {
    const char *const keywords[] = { "dbname", NULL }, *const values[] = { dsn, NULL };
    struct hx_pg_options options = {
        .keywords = keywords,
        .values = values,
        .application_name = "heimdex-migrate",
        .timeout_ms = HX_DATABASE_ASK_MS,
        .depth = 1,
        .fail_fast = true,
        .no_prepare = true,
        .settings = "-c enable_hashjoin=on -c enable_mergejoin=on -c enable_seqscan=on -c plan_cache_mode=auto",
    };
    struct hx_pg *pg;
    if (hx_pg_new(live->loop, &options, NULL, NULL, &pg) < 0)
        return HX_EXIT_SOFTWARE;
    int r = read_schema(pg, live, ret);
    hx_pg_free(pg);
    return r;
}

int hx_wanted_read(struct hx_database *live, struct hx_schema *ret) {
    const char *against = live->options->against;
    return against && is_dsn(against) ? read_dsn(live, against, ret) : read_scratch(live, ret);
}
