#include "migrations/apply.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/print.h"

#define REVISION_MS (60 * 60 * 1000) /* a large table takes its time */
#define TRIES 3                      /* each waits for a lock as long as lock_timeout (database.c) */
#define PATIENCE_MS 2000             /* then we say what we are at */

/* One revision, one way. */
struct step {
    const struct hx_revision *revision;
    const struct hx_statements *statements;
    const char *from, *to; /* NULL: base */
    bool down;
};

/* Where in its transaction a step's parts stand. */
struct layout {
    int check, script, record;
};

/* The lock is this schema's: chains in other schemas of the same database need not wait. */
static const struct hx_pg_stmt lock = {
    "migrate_lock",
    "select pg_advisory_xact_lock(hashtext('heimdex-migrate'), hashtext(current_schema()))",
};
/* What a script set for its session is not to reach the next one. Not before a script: lib/pg has set its timeout. */
static const struct hx_pg_stmt reset = { "migrate_reset", "reset all" };

static struct step step_at(const struct hx_chain *chain, size_t position, bool down) {
    const struct hx_revision *revision = hx_chain_at(chain, down ? position - 1 : position);
    return (struct step){
        .revision = revision,
        .statements = down ? &revision->downgrade : &revision->upgrade,
        .from = down ? revision->id : revision->parent,
        .to = down ? revision->parent : revision->id,
        .down = down,
    };
}

/* --- the transaction ---------------------------------------------------------------------------------------- */

static int add_check(struct hx_pg_tx *tx, const struct hx_database *database, const struct step *step) {
    if (!step->from)
        return hx_pg_tx_add(tx, &database->sql.is_empty);
    int index = hx_pg_tx_add(tx, &database->sql.is_at);
    hx_pg_text(tx, step->from);
    return index;
}

static void add_script(struct hx_pg_tx *tx, struct hx_database *database, const struct step *step) {
    const struct hx_statements *statements = step->statements;
    struct hx_pg_stmt *stmts = hx_allocn(statements->count + 1, sizeof *stmts);
    hx_database_keep(database, stmts);
    for (size_t i = 0; i < statements->count; i++) {
        stmts[i] = (struct hx_pg_stmt){ "revision", statements->items[i].sql };
        hx_pg_tx_add(tx, &stmts[i]);
    }
    hx_pg_tx_add(tx, &reset);
}

static int add_record(struct hx_pg_tx *tx, const struct hx_database *database, const struct step *step) {
    const struct hx_version_sql *sql = &database->sql;
    int index = hx_pg_tx_add(tx, !step->from ? &sql->insert : !step->to ? &sql->delete : &sql->update);
    if (step->from)
        hx_pg_text(tx, step->from);
    if (step->to)
        hx_pg_text(tx, step->to);
    return index;
}

static struct hx_pg_tx *build(struct hx_database *database, const struct step *step, struct layout *ret) {
    struct hx_pg_tx *tx = hx_pg_tx_new("revision");
    hx_pg_tx_add(tx, &lock);
    if (!database->has_table)
        hx_pg_tx_add(tx, &database->sql.create);
    ret->check = add_check(tx, database, step);
    ret->script = ret->check + 1;
    add_script(tx, database, step);
    ret->record = add_record(tx, database, step);
    return tx;
}

/* --- what came of it ---------------------------------------------------------------------------------------- */

/* True when somebody else has moved the database before us, or under our hands (Alembic, which takes no lock). */
static bool was_moved(const struct layout *layout, const struct hx_pg_error *error) {
    bool about_version = error->statement == layout->check || error->statement == layout->record;
    bool unexpected = hx_streq(error->sqlstate, "22012") || hx_streq(error->sqlstate, "23505");
    return about_version && unexpected;
}

/* A lock not granted, a deadlock, a serialisation failure. Not a statement cancelled: somebody wanted that. */
static bool is_worth_retrying(const struct hx_pg_error *error) {
    return error->class == HX_PG_RETRY && !hx_streq(error->sqlstate, "57014");
}

/* The line of the statement that failed; what fails outside of them (the commit) is told at the section's. */
static unsigned line_of(const struct step *step, const struct layout *layout, const struct hx_pg_error *error) {
    int index = error->statement - layout->script;
    if (error->statement >= layout->script && (size_t)index < step->statements->count)
        return step->statements->items[index].line;
    return step->down ? step->revision->downgrade_line : step->revision->upgrade_line;
}

/* A revision's own failure is "no"; only what its SQL can't be blamed for has another exit code. */
static int exit_of(const struct layout *layout, const struct hx_pg_error *error) {
    bool ours = error->statement < layout->script || error->statement >= layout->record;
    if (ours || is_worth_retrying(error) || error->class == HX_PG_UNAVAILABLE)
        return hx_database_exit(error);
    return HX_EXIT_NO;
}

static int complain(const struct step *step, const struct layout *layout, const struct hx_pg_error *error) {
    hx_complain("%s: %s:%u: %s%s%s%s", step->revision->id, step->revision->path, line_of(step, layout, error),
                error->sqlstate, error->sqlstate[0] ? ": " : "", error->message,
                error->in_doubt ? " (it may have been committed: see `heimdex-migrate current`)" : "");
    return exit_of(layout, error);
}

/* --- one step ----------------------------------------------------------------------------------------------- */

static void say_patience(void *user) {
    const struct step *step = user;
    hx_complain("%s: still at work, or waiting for another upgrade to end", step->revision->id);
}

static void run(struct hx_database *database, struct step *step, struct layout *ret_layout,
                struct hx_pg_error *reterr) {
    struct hx_timer *patience = hx_timer_new(database->loop, say_patience, step);
    hx_timer_set(patience, PATIENCE_MS);
    hx_pg_run(database->pg, build(database, step, ret_layout), REVISION_MS, NULL, NULL, reterr);
    hx_timer_free(patience);
}

/* 0 with *ret_moved false when the step is done, true when the database must be looked at again; or an exit code.
 *
 * That it runs is said afterwards: before the lock is granted nobody knows which of several upgrades it will be, and
 * each revision is to be told by one of them only. */
static int take_step(struct hx_database *database, struct step *step, bool *ret_moved) {
    struct layout layout;
    struct hx_pg_error error;
    for (int attempt = 1;; attempt++) {
        run(database, step, &layout, &error);
        *ret_moved = error.class != HX_PG_OK && was_moved(&layout, &error);
        if (*ret_moved)
            return 0;
        if (!is_worth_retrying(&error) || attempt == TRIES)
            break;
        hx_complain("%s: %s: %s, retrying", step->revision->id, error.sqlstate, error.message);
    }
    if (error.class == HX_PG_OK || error.statement >= layout.script)
        hx_print_running(step->down, step->from, step->to, step->revision->message);
    return error.class == HX_PG_OK ? 0 : complain(step, &layout, &error);
}

/* Refuses what this version can't run before anything is. */
static int check_steps(const struct hx_chain *chain, size_t position, size_t goal, bool down) {
    for (; position != goal; position += down ? (size_t)-1 : 1) {
        const struct hx_revision *r = step_at(chain, position, down).revision;
        if (r->no_transaction) {
            hx_complain("%s: %s: `-- no-transaction` is not supported by this version", r->id, r->path);
            return HX_EXIT_DATA;
        }
        if (down && !r->has_downgrade) {
            hx_complain("%s: %s: it has no line `-- downgrade`, so there is no way back", r->id, r->path);
            return HX_EXIT_NO;
        }
    }
    return 0;
}

/* --- the way to the target ---------------------------------------------------------------------------------- */

int hx_apply_position(struct hx_database *database, const struct hx_chain *chain, size_t *ret_position) {
    _cleanup_free_ char *id = NULL;
    int r = hx_database_version(database, &id);
    if (r != 0)
        return r;
    size_t index;
    if (!id) {
        *ret_position = 0;
    } else if (hx_chain_find_exactly(chain, id, &index) == 0) {
        *ret_position = index + 1;
    } else {
        hx_complain("alembic_version: %s: no file of the chain declares the revision that is applied", id);
        return HX_EXIT_NO;
    }
    return 0;
}

static bool reached(size_t position, size_t goal, bool down) {
    return down ? position <= goal : position >= goal;
}

/* Somebody moved the database, it was said. If it stands where it stood, that was the revision's own doing: SQL that
 * Alembic has printed writes the version itself. */
static int look_again(struct hx_database *database, const struct hx_chain *chain, const struct step *step,
                      size_t *position, int *in_vain) {
    size_t before = *position;
    int r = hx_apply_position(database, chain, position);
    *in_vain = *position == before ? *in_vain + 1 : 0;
    if (r == 0 && *in_vain == TRIES) {
        hx_complain("%s: %s: alembic_version is not as expected after its SQL, which must leave that table alone",
                    step->revision->id, step->revision->path);
        return HX_EXIT_NO;
    }
    return r;
}

int hx_apply(struct hx_database *database, const struct hx_chain *chain, const struct hx_target *target) {
    size_t position, goal;
    int r = hx_apply_position(database, chain, &position);
    if (r != 0)
        return r;
    _cleanup_buf_ struct hx_buf why = { 0 };
    if (hx_target_resolve(chain, target, position, &goal, &why) < 0) {
        hx_complain("%s: %s", target->down ? "downgrade" : "upgrade", why.data);
        return HX_EXIT_USAGE;
    }
    r = check_steps(chain, position, goal, target->down);
    for (int in_vain = 0; r == 0 && !reached(position, goal, target->down);) {
        struct step step = step_at(chain, position, target->down);
        bool moved;
        r = take_step(database, &step, &moved);
        if (r == 0 && moved) {
            r = look_again(database, chain, &step, &position, &in_vain);
        } else if (r == 0) {
            position += target->down ? (size_t)-1 : 1;
            database->has_table = true;
        }
    }
    return r;
}
