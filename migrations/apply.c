#include "migrations/apply.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/lock.h"
#include "migrations/piecemeal.h"
#include "migrations/print.h"
#include "migrations/step.h"

/* --- where the database stands ------------------------------------------------------------------------------ */

static int judge(const struct hx_record *record, const struct hx_chain *chain, const struct hx_database *database,
                 size_t *ret_position) {
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    hx_record_check(record, chain, &problems);
    if (problems.count == 0)
        return hx_record_position(record, chain, ret_position) < 0 ? HX_EXIT_SOFTWARE : 0;
    hx_problems_complain(&problems, database->site->service);
    return HX_EXIT_NO;
}

int hx_apply_position(struct hx_database *database, const struct hx_chain *chain, size_t *ret_position) {
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    int r = hx_record_read(database, &record);
    if (r != 0)
        return r;
    hx_record_check(&record, chain, &problems);
    hx_record_check_ended(&record, chain, &problems);
    hx_problems_complain(&problems, database->site->service);
    return hx_record_position(&record, chain, ret_position) < 0 ? HX_EXIT_NO : 0;
}

/* --- before anything runs ----------------------------------------------------------------------------------- */

static bool reached(size_t position, size_t goal, bool down) {
    return down ? position <= goal : position >= goal;
}

static size_t behind(size_t position, bool down) {
    return down ? position - 1 : position + 1;
}

static int check_steps(const struct hx_chain *chain, size_t position, size_t goal, bool down) {
    for (; !reached(position, goal, down); position = behind(position, down)) {
        const struct hx_revision *r = hx_step_at(chain, position, down).revision;
        if (down && !r->has_downgrade) {
            hx_complain("%s: %s: it has no line `-- downgrade`, so there is no way back", r->id, r->path);
            return HX_EXIT_NO;
        }
    }
    return 0;
}

/* A revision that was interrupted on its way, in the direction that isn't ours. */
static int refuse_interrupted(const struct hx_record *record, const struct hx_chain *chain, size_t position,
                              bool down) {
    const struct hx_record_row *row = hx_record_interrupted(record, chain, position);
    if (!row || (row->state == HX_RECORD_DOWNGRADING) == down)
        return 0;
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    hx_record_tell_interrupted(row, &problems);
    hx_complain("%s; %s", problems.items[0].why, problems.items[0].mend);
    return HX_EXIT_NO;
}

/* --- the way to the target ---------------------------------------------------------------------------------- */

static int take(struct hx_database *database, const struct hx_record *record, const struct hx_step *step) {
    hx_print_running(hx_step_verb(step), step->from, step->to, step->revision->message);
    if (!step->revision->no_transaction)
        return hx_step_take(database, step);
    const struct hx_record_row *row = hx_record_find(record, step->revision->id);
    enum hx_record_state ours = step->down ? HX_RECORD_DOWNGRADING : HX_RECORD_UPGRADING;
    return hx_piecemeal_take(database, step, row && row->state == ours ? row : NULL);
}

static int resolve(const struct hx_database *database, const struct hx_target *target, const struct hx_chain *chain,
                   size_t position, size_t *ret_goal) {
    _cleanup_buf_ struct hx_buf why = { 0 };
    const char *service = database->site->service;
    if (hx_target_resolve(chain, target, position, ret_goal, &why) == 0)
        return 0;
    hx_complain("%s%s%s: %s", service ? service : "", service ? ": " : "", target->down ? "downgrade" : "upgrade",
                why.data);
    return HX_EXIT_USAGE;
}

/* Reads where the database stands, and where the target leads from there. */
static int prepare(struct hx_database *database, const struct hx_chain *chain, const struct hx_target *target,
                   struct hx_record *record, size_t *ret_position, size_t *ret_goal) {
    int r = hx_record_read(database, record);
    if (r == 0)
        r = judge(record, chain, database, ret_position);
    if (r == 0)
        r = resolve(database, target, chain, *ret_position, ret_goal);
    if (r == 0)
        r = check_steps(chain, *ret_position, *ret_goal, target->down);
    return r ? r : refuse_interrupted(record, chain, *ret_position, target->down);
}

int hx_apply_judge(struct hx_database *database, const struct hx_chain *chain, const struct hx_target *target) {
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    size_t position, goal;
    return prepare(database, chain, target, &record, &position, &goal);
}

/* Under the lock: who waited for it may find everything done. */
static int walk(struct hx_database *database, struct hx_record *record, const struct hx_chain *chain, size_t goal,
                bool down) {
    size_t position = 0;
    int r = hx_record_read(database, record);
    if (r == 0)
        r = judge(record, chain, database, &position);
    if (r == 0)
        r = refuse_interrupted(record, chain, position, down);
    if (r == 0 && !reached(position, goal, down))
        r = hx_record_create(database, record);
    for (; r == 0 && !reached(position, goal, down); position = behind(position, down)) {
        struct hx_step step = hx_step_at(chain, position, down);
        r = take(database, record, &step);
    }
    return r;
}

int hx_apply(struct hx_database *database, const struct hx_chain *chain, const struct hx_target *target) {
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    size_t position = 0, goal = 0;
    int r = prepare(database, chain, target, &record, &position, &goal);
    if (r != 0 || reached(position, goal, target->down))
        return r;
    r = hx_lock_take(database);
    return r ? r : walk(database, &record, chain, goal, target->down);
}
