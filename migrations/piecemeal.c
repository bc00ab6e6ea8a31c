#include "migrations/piecemeal.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/checksum.h"
#include "migrations/holder.h"
#include "migrations/index.h"
#include "migrations/lock.h"
#include "migrations/progress.h"
#include "migrations/statement.h"

#define TRIES 3

/* A revision on its way. */
struct piecemeal {
    struct hx_database *database;
    const struct hx_step *step;
    size_t done;         /* statements that have run */
    bool started_before; /* an earlier run may have got further: the statement at `done` may have run too */
    struct hx_watcher *watcher;
    struct hx_progress *progress;
};

/* --- notes -------------------------------------------------------------------------------------------------- */

static void add_note(struct hx_pg_tx *tx, const struct piecemeal *p, size_t done, bool started) {
    struct hx_record_row row = {
        .revision = p->step->revision->id,
        .state = p->step->down ? HX_RECORD_DOWNGRADING : HX_RECORD_UPGRADING,
        .statements = done,
        .started = started,
    };
    hx_checksum(p->step->statements, done, row.checksum);
    hx_record_add_row(tx, p->database, &row);
}

static int note(const struct piecemeal *p, size_t done, bool started) {
    struct hx_pg_tx *tx = hx_pg_tx_new("piecemeal_note");
    hx_lock_add_check(tx, p->database);
    add_note(tx, p, done, started);
    return hx_database_ask(p->database, tx, NULL, NULL);
}

/* --- one statement ------------------------------------------------------------------------------------------ */

/* One statement, with the note that it is done in the same transaction where it can be. */
static struct hx_pg_tx *build(const struct piecemeal *p, bool alone, int *ret_index) {
    struct hx_pg_tx *tx = hx_pg_tx_new("revision");
    if (!alone) {
        hx_pg_tx_add(tx, &hx_step_begin);
        hx_lock_add_check(tx, p->database);
    }
    *ret_index = hx_pg_tx_add(tx, hx_database_statement(p->database, "%s", p->step->statements->items[p->done].sql));
    if (!alone) {
        add_note(tx, p, p->done + 1, false);
        hx_pg_tx_add(tx, &hx_step_commit);
    }
    return tx;
}

/* 0, or an exit code; *ret_failed: the server said no, so it has not run. */
static int run_statement(struct piecemeal *p, const struct hx_statement_info *info, bool alone, bool *ret_failed) {
    struct hx_pg_error error;
    bool done = false;
    int index;
    for (int attempt = 1;; attempt++) {
        if (alone)
            hx_pg_run(p->database->pg, build(p, alone, &index), 0, NULL, NULL, &error);
        else
            hx_step_run(p->database, build(p, alone, &index), &error);
        if (!hx_step_worth_retrying(&error) || attempt == TRIES)
            break;
        hx_progress_clear(p->progress);
        hx_complain("%s: %s: %s, retrying", p->step->revision->id, error.sqlstate, error.message);
        int r = hx_index_prepare(p->database, info, false, &done); /* an index whose build failed is in its own way */
        if (r != 0)
            return r;
    }
    *ret_failed = error.class != HX_PG_OK && error.sqlstate[0] && !error.in_doubt;
    if (error.class == HX_PG_OK)
        return 0;
    hx_progress_clear(p->progress);
    if (error.statement >= 0 && error.statement != index)
        return hx_database_complain(&error);
    return hx_step_complain(p->step, p->done, &error, hx_watcher_seen(p->watcher));
}

/* What can't stand in a transaction runs between two notes. */
static int run_alone(struct piecemeal *p, const struct hx_statement_info *info) {
    bool done = false, failed = false;
    int r = hx_index_prepare(p->database, info, p->started_before, &done);
    if (r == 0)
        r = note(p, p->done, true);
    if (r == 0 && !done)
        r = run_statement(p, info, true, &failed);
    if (r == 0)
        return note(p, p->done + 1, false);
    if (failed)
        note(p, p->done, false);
    return r;
}

static int run_next(struct piecemeal *p) {
    HX_CLEANUP(hx_statement_info_reset) struct hx_statement_info info;
    hx_statement_read(p->step->statements->items[p->done].sql, &info);
    bool alone = info.kind != HX_STATEMENT_PLAIN && info.kind != HX_STATEMENT_SETTING, failed;
    int r = alone ? run_alone(p, &info) : run_statement(p, &info, false, &failed);
    p->started_before = false;
    return r;
}

/* The settings that the statements before made for their session. */
static int repeat_settings(struct piecemeal *p) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->done; i++) {
        HX_CLEANUP(hx_statement_info_reset) struct hx_statement_info info;
        hx_statement_read(p->step->statements->items[i].sql, &info);
        if (info.kind != HX_STATEMENT_SETTING)
            continue;
        struct hx_pg_tx *tx = hx_pg_tx_new("piecemeal_setting");
        hx_pg_tx_add(tx, hx_database_statement(p->database, "%s", p->step->statements->items[i].sql));
        r = hx_database_ask(p->database, tx, NULL, NULL);
    }
    return r;
}

/* --- all of them -------------------------------------------------------------------------------------------- */

static int finish(const struct piecemeal *p) {
    static const struct hx_pg_stmt reset = { "migrate_reset", "reset all" };
    const struct hx_step *step = p->step;
    struct hx_pg_tx *tx = hx_pg_tx_new("piecemeal_finish");
    struct hx_pg_error error;
    hx_pg_tx_add(tx, &reset);
    hx_lock_add_check(tx, p->database);
    int move = hx_record_add_move(tx, p->database, step->from, step->to);
    if (step->down) {
        hx_record_add_forget(tx, p->database, step->revision->id);
    } else {
        struct hx_record_row row = { .revision = step->revision->id, .statements = step->statements->count };
        hx_checksum(step->statements, step->statements->count, row.checksum);
        hx_record_add_row(tx, p->database, &row);
    }
    hx_pg_run(p->database->pg, tx, 0, NULL, NULL,
              &error); /* somebody may hold the version table: lock_timeout ends that */
    if (error.class == HX_PG_OK)
        return hx_database_settle(p->database);
    return error.statement == move ? hx_step_complain_moved(step, p->database) : hx_database_complain(&error);
}

/* What has run must still be what stands in the file; what hasn't may have been mended. */
static int resume(struct piecemeal *p, const struct hx_record_row *row) {
    char sum[HX_SHA256_HEX_SIZE];
    const struct hx_revision *r = p->step->revision;
    bool fits = row->statements <= p->step->statements->count;
    if (fits)
        hx_checksum(p->step->statements, row->statements, sum);
    if (!fits || !hx_streq(sum, row->checksum)) {
        hx_complain(
            "%s: %s: the first %zu statements have run at %s, and were edited since: put them back as they were", r->id,
            r->path, row->statements, row->when);
        return HX_EXIT_NO;
    }
    hx_complain("%s: going on after statement %zu of %zu, where a run of %s stopped", r->id, row->statements,
                p->step->statements->count, row->when);
    p->done = row->statements;
    p->started_before = row->started;
    return repeat_settings(p);
}

int hx_piecemeal_take(struct hx_database *database, const struct hx_step *step, const struct hx_record_row *row) {
    struct piecemeal p = { .database = database, .step = step };
    int r = row ? resume(&p, row) : note(&p, 0, false);
    if (r != 0)
        return r;
    p.watcher = hx_watcher_new(database, step->revision->id);
    p.progress = hx_progress_new(database->loop, step->revision->id);
    for (; r == 0 && p.done < step->statements->count; p.done += r == 0) {
        hx_progress_set(p.progress, p.done, step->statements->count);
        r = run_next(&p);
    }
    if (r == 0)
        r = finish(&p);
    hx_progress_free(p.progress, r == 0);
    hx_watcher_free(p.watcher);
    return r ? r : hx_index_warn(database);
}
