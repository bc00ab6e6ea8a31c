#include "migrations/step.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/checksum.h"
#include "migrations/holder.h"
#include "migrations/lock.h"
#include "migrations/progress.h"
#include "migrations/record.h"

#define TRIES 3 /* each waits for a lock as long as --lock-timeout */

struct hx_step hx_step_at(const struct hx_chain *chain, size_t position, bool down) {
    const struct hx_revision *revision = hx_chain_at(chain, down ? position - 1 : position);
    return (struct hx_step){
        .revision = revision,
        .statements = down ? &revision->downgrade : &revision->upgrade,
        .from = down ? revision->id : revision->parent,
        .to = down ? revision->parent : revision->id,
        .down = down,
    };
}

const char *hx_step_verb(const struct hx_step *step) {
    return step->down ? "downgrade" : "upgrade";
}

unsigned hx_step_line(const struct hx_step *step, size_t index) {
    if (index < step->statements->count)
        return step->statements->items[index].line;
    return step->down ? step->revision->downgrade_line : step->revision->upgrade_line;
}

/* --- failures ----------------------------------------------------------------------------------------------- */

bool hx_step_worth_retrying(const struct hx_pg_error *error) {
    /* Not a statement cancelled: somebody wanted that, or --statement-timeout did, and it would take as long again. */
    return error->class == HX_PG_RETRY && !hx_streq(error->sqlstate, "57014");
}

int hx_step_complain(const struct hx_step *step, size_t statement, const struct hx_pg_error *error,
                     const char *holder) {
    bool locked = hx_streq(error->sqlstate, "55P03") && holder;
    bool in_doubt = error->class == HX_PG_UNAVAILABLE && !error->sqlstate[0]; /* our COMMIT may have arrived */
    _cleanup_buf_ struct hx_buf what = { 0 };
    hx_database_describe(error, &what);
    hx_complain("%s: %s:%u: %s%s%s%s", step->revision->id, step->revision->path, hx_step_line(step, statement),
                what.data, locked ? ": held by " : "", locked ? holder : "",
                in_doubt ? " (it may have been committed: see `heimdex-migrate current`)" : "");
    if (hx_step_worth_retrying(error) || error->class == HX_PG_UNAVAILABLE)
        return hx_database_exit(error);
    return HX_EXIT_NO;
}

int hx_step_complain_moved(const struct hx_step *step, const struct hx_database *database) {
    hx_complain(
        "%s: %s: %s is not as expected: somebody else has changed it meanwhile, or the revision's own SQL, which "
        "must leave that table alone",
        step->revision->id, step->revision->path, database->site->version_table);
    return HX_EXIT_NO;
}

/* Without these LOCK TABLE, SET LOCAL and cursors would find no transaction, though it is one. */
const struct hx_pg_stmt hx_step_begin = { "revision_begin", "begin" };
const struct hx_pg_stmt hx_step_commit = { "revision_commit", "commit" };

void hx_step_run(struct hx_database *database, struct hx_pg_tx *tx, struct hx_pg_error *reterr) {
    static const struct hx_pg_stmt rollback = { "revision_rollback", "rollback" };
    if (hx_pg_run(database->pg, tx, 0, NULL, NULL, reterr) == HX_PG_OK || !hx_pg_connected(database->pg))
        return;
    struct hx_pg_tx *end = hx_pg_tx_new("revision_rollback");
    hx_pg_tx_add(end, &rollback);
    hx_pg_run(database->pg, end, HX_DATABASE_ASK_MS, NULL, NULL, NULL);
}

/* --- the transaction ---------------------------------------------------------------------------------------- */

/* Where in the transaction a step's parts stand. */
struct layout {
    int lock, check, script, move, commit;
};

static void add_record(struct hx_pg_tx *tx, struct hx_database *database, const struct hx_step *step) {
    if (step->down) {
        hx_record_add_forget(tx, database, step->revision->id);
        return;
    }
    struct hx_record_row row = { .revision = step->revision->id, .statements = step->statements->count };
    hx_checksum(step->statements, step->statements->count, row.checksum);
    hx_record_add_row(tx, database, &row);
}

static struct hx_pg_tx *build(struct hx_database *database, const struct hx_step *step, struct layout *ret) {
    /* What a script set for its session is not to reach our own statements. */
    static const struct hx_pg_stmt reset = { "migrate_reset", "reset all" };
    struct hx_pg_tx *tx = hx_pg_tx_new("revision");
    hx_pg_tx_add(tx, &hx_step_begin);
    ret->lock = hx_lock_add_check(tx, database);
    ret->check = hx_record_add_check(tx, database, step->from);
    ret->script = ret->check + 1;
    for (size_t i = 0; i < step->statements->count; i++)
        hx_pg_tx_add(tx, hx_database_statement(database, "%s", step->statements->items[i].sql));
    hx_pg_tx_add(tx, &reset);
    ret->move = hx_record_add_move(tx, database, step->from, step->to);
    add_record(tx, database, step);
    ret->commit = hx_pg_tx_add(tx, &hx_step_commit);
    return tx;
}

static bool was_moved(const struct layout *layout, const struct hx_pg_error *error) {
    bool about_version = error->statement == layout->check || error->statement == layout->move;
    return about_version && (hx_streq(error->sqlstate, "22012") || hx_streq(error->sqlstate, "23505"));
}

static int judge(const struct hx_database *database, const struct hx_step *step, const struct layout *layout,
                 const struct hx_pg_error *error, const char *holder) {
    if (was_moved(layout, error))
        return hx_step_complain_moved(step, database);
    if (error->statement == layout->lock && hx_streq(error->sqlstate, "22012")) {
        hx_complain("%s: the session that held our lock is gone; start again", step->revision->id);
        return HX_EXIT_TRY_AGAIN;
    }
    bool ours = error->statement < layout->script ||
                (error->statement >= layout->move && error->statement != layout->commit); /* deferred constraints */
    if (error->statement >= 0 && ours)
        return hx_database_complain(error);
    return hx_step_complain(step, error->statement < 0 ? SIZE_MAX : (size_t)(error->statement - layout->script), error,
                            holder);
}

int hx_step_take(struct hx_database *database, const struct hx_step *step) {
    struct hx_watcher *watcher = hx_watcher_new(database, step->revision->id);
    struct hx_progress *progress = hx_progress_new(database->loop, step->revision->id);
    struct hx_pg_error error;
    struct layout layout;
    for (int attempt = 1;; attempt++) {
        hx_step_run(database, build(database, step, &layout), &error);
        if (!hx_step_worth_retrying(&error) || attempt == TRIES)
            break;
        hx_progress_clear(progress);
        hx_complain("%s: %s: %s, retrying", step->revision->id, error.sqlstate, error.message);
    }
    hx_progress_free(progress, error.class == HX_PG_OK);
    int r = error.class == HX_PG_OK ? 0 : judge(database, step, &layout, &error, hx_watcher_seen(watcher));
    hx_watcher_free(watcher);
    return r ? r : hx_database_settle(database);
}
