#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/operate.h"
#include "ctl/output.h"
#include "ctl/table.h"

#include <inttypes.h>

/* Dead letters are picked and queued again batch by batch: each is a short transaction, so that a million of them disturb nobody,
 * and one that is cut off has done its share. */
enum { BATCH = 500, DRY_RUN_MAX = CTL_LIMIT_MAX };

/* How many of one type died of one error. */
struct group {
    char *type, *code;
    int64_t count;
};

struct redrive {
    struct ctl *ctl;
    struct hx_redrive filter;
    const char *reason;
    int statement;
    struct hx_uuid *ids;
    size_t n;       /* picked in this batch */
    int64_t picked; /* in all */
    int64_t queued;
    struct group *groups;
    size_t group_count;
};

/* ---- picking ---- */

static void count_in(struct redrive *r, const char *type, const char *code) {
    for (size_t i = 0; i < r->group_count; i++) {
        if (hx_streq(r->groups[i].type, type) && hx_streq(r->groups[i].code, code)) {
            r->groups[i].count++;
            return;
        }
    }
    r->groups = hx_realloc(r->groups, (r->group_count + 1) * sizeof *r->groups);
    r->groups[r->group_count++] = (struct group){ .type = hx_strdup(type), .code = hx_strdup(code), .count = 1 };
}

static void add_pick(struct hx_pg_tx *tx, void *user) {
    struct redrive *r = user;
    r->statement = hx_ledger_redrive_pick(tx, &r->filter);
}

static void read_pick(const struct hx_pg_tx *tx, void *user) {
    struct redrive *r = user;
    r->n = (size_t)hx_pg_rows(tx, r->statement);
    free(r->ids);
    r->ids = hx_allocn(r->n + 1, sizeof *r->ids);
    for (size_t i = 0; i < r->n; i++) {
        r->ids[i] = hx_pg_get_uuid(tx, r->statement, (int)i, 0);
        const char *code = hx_pg_get_text(tx, r->statement, (int)i, 2, NULL);
        count_in(r, hx_pg_get_text(tx, r->statement, (int)i, 1, NULL), code ? code : "");
    }
    r->picked += (int64_t)r->n;
}

static int pick(struct redrive *r, int32_t limit) {
    static const struct query query = { "redrive_pick", add_pick, read_pick };
    r->filter.limit = limit;
    return connection_run(r->ctl, &query, r);
}

/* ---- queueing again ---- */

static void add_retry(struct hx_pg_tx *tx, void *user) {
    struct redrive *r = user;
    r->statement = hx_ledger_retry(tx, r->ids, r->n, r->reason);
}

static void read_retry(const struct hx_pg_tx *tx, void *user) {
    struct redrive *r = user;
    for (int i = 0; i < hx_pg_rows(tx, r->statement); i++)
        r->queued += hx_streq(hx_pg_get_text(tx, r->statement, i, 1, NULL), hx_status_name(HX_DEAD_LETTER));
}

static int redrive_all(struct redrive *r) {
    static const struct query query = { "redrive", add_retry, read_retry };
    int64_t left = r->ctl->args.limit ? r->ctl->args.limit : INT64_MAX;
    while (left > 0) {
        int64_t before = r->queued;
        int code = pick(r, (int32_t)HX_MIN(left, (int64_t)BATCH));
        if (code || !r->n)
            return code;
        code = connection_run(r->ctl, &query, r);
        if (code || r->queued == before)
            return code; /* somebody else is at the same ones */
        left -= (int64_t)r->n;
    }
    return 0;
}

/* What dies again while we are at it is not to be picked again: only what had died before we began. */
static void none_of_today(struct redrive *r) {
    int64_t now = r->ctl->now_us;
    if (r->filter.until == HX_NO_TIME || r->filter.until > now)
        r->filter.until = now;
}

static void add_nothing(struct hx_pg_tx *tx, void *user) {
    (void)tx, (void)user;
}

static int ask_time(struct ctl *c) {
    static const struct query query = { "clock", add_nothing, NULL };
    return connection_run(c, &query, NULL);
}

/* ---- the report ---- */

static json_t *groups_json(const struct redrive *r) {
    json_t *groups = json_array();
    for (size_t i = 0; i < r->group_count; i++) {
        json_t *group = json_object();
        json_object_set_new(group, "type", json_string(r->groups[i].type));
        json_object_set_new(group, "error", json_string(r->groups[i].code));
        json_object_set_new(group, "count", json_integer(r->groups[i].count));
        json_array_append_new(groups, group);
    }
    return groups;
}

static int report_json(const struct redrive *r, int code) {
    json_t *object = json_object();
    json_object_set_new(object, "dry_run", json_boolean(r->ctl->args.dry_run));
    json_object_set_new(object, "matched", json_integer(r->picked));
    json_object_set_new(object, "redriven", json_integer(r->queued));
    json_object_set_new(object, "groups", groups_json(r));
    return output_json(object, code);
}

static int report(const struct redrive *r) {
    static const char *const headers[] = { "TYPE", "ERROR", ">JOBS" };
    struct ctl *c = r->ctl;
    int code = r->picked ? HX_EXIT_OK : HX_EXIT_NO;
    if (c->args.json)
        return report_json(r, code);
    if (!r->picked) {
        hx_complain("redrive: no dead letter matches");
        return code;
    }
    _cleanup_buf_ struct hx_buf out = { 0 };
    _cleanup_table_ struct table t;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    for (size_t i = 0; i < r->group_count; i++) {
        table_put(&t, PLAIN, "%s", r->groups[i].type);
        table_put(&t, PLAIN, "%s", r->groups[i].code);
        table_put(&t, PLAIN, "%" PRId64, r->groups[i].count);
    }
    table_render(&t, 0, c->colored, &out);
    if (c->args.dry_run)
        hx_buf_printf(&out, "%" PRId64 " %s would be queued again\n", r->picked, r->picked == 1 ? "job" : "jobs");
    else
        hx_buf_printf(&out, "%" PRId64 " %s queued again\n", r->queued, r->queued == 1 ? "job" : "jobs");
    return output_end(&out, code);
}

int ctl_redrive(struct ctl *c) {
    _cleanup_free_ char *reason = operate_reason(c);
    struct redrive r = { .ctl = c, .reason = reason };
    r.filter = (struct hx_redrive){
        .type = c->args.type, .error_code = c->args.error, .since = c->args.since, .until = c->args.until
    };
    int code = ask_time(c);
    none_of_today(&r);
    if (!code)
        code = c->args.dry_run ? pick(&r, c->args.limit ? c->args.limit : DRY_RUN_MAX) : redrive_all(&r);
    if (!code)
        code = report(&r);
    else if (r.queued)
        hx_complain("redrive: %" PRId64 " jobs were queued again before that", r.queued);
    for (size_t i = 0; i < r.group_count; i++) {
        free(r.groups[i].type);
        free(r.groups[i].code);
    }
    free(r.groups);
    free(r.ids);
    return code;
}
