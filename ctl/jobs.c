/* heimdexctl jobs: a list, newest first. */
#include "common/clock.h"
#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "ctl/row.h"
#include "ctl/table.h"
#include "lib/ledger/search.h"

#include <inttypes.h>

/* PATIENCE_MS: how long it looks where nobody said how far back. */
enum { LIMIT_DEFAULT = 50, ERROR_MAX = 60, PATIENCE_MS = 2000 };

static void put_error(struct table *t, const json_t *job) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    const char *code = row_string(job, "last_error_code"), *message = row_string(job, "last_error_message");
    if (code)
        hx_buf_puts(&text, code);
    if (message && *message && !hx_streq(code, message)) {
        hx_buf_puts(&text, code ? ": " : "");
        row_clip(&text, json_object_get(job, "last_error_message"), ERROR_MAX);
    }
    table_put(t, PLAIN, "%s", text.len ? text.data : "");
}

static void put_attempt(struct table *t, const json_t *job) {
    if (json_is_integer(json_object_get(job, "max_attempts")))
        table_put(t, PLAIN, "%" PRId64 "/%" PRId64, row_int(job, "attempt"), row_int(job, "max_attempts"));
    else
        table_put(t, PLAIN, "%" PRId64, row_int(job, "attempt"));
}

static void put_job(struct table *t, const char *text, int64_t now_us) {
    char created[MOMENT_SIZE];
    _cleanup_json_ json_t *job = row_parse(text);
    const char *id = row_string(job, "id"), *type = row_string(job, "type"), *status = row_string(job, "status");
    moment_both(row_time(job, "created_at"), now_us, created);
    table_put(t, PLAIN, "%s", id ? id : "");
    table_put(t, PLAIN, "%s", type ? type : "");
    table_put(t, table_status_tint(status), "%s", status ? status : "");
    put_attempt(t, job);
    table_put(t, PLAIN, "%s", created);
    put_error(t, job);
}

static void render(const struct ctl *c, struct hx_search *s, struct hx_buf *out) {
    static const char *const headers[] = { "ID", "TYPE", "STATUS", ">ATTEMPT", "CREATED", "ERROR" };
    _cleanup_table_ struct table t;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    for (size_t i = 0; i < hx_search_count(s); i++)
        put_job(&t, hx_search_job(s, i), c->now_us);
    if (t.count)
        table_render(&t, 0, c->colored, out);
}

static void print_json(struct hx_search *s, struct hx_buf *out) {
    hx_buf_putc(out, '[');
    for (size_t i = 0; i < hx_search_count(s); i++)
        hx_buf_printf(out, "%s%s", i ? "," : "", hx_search_job(s, i));
    hx_buf_puts(out, "]\n");
}

/* ---- the search ---- */

static void add(struct hx_pg_tx *tx, void *user) {
    hx_search_ask(user, tx);
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    hx_search_answer(user, tx);
}

/* Until it is done; where nobody said how far back, only as long as somebody likes to wait. 0 or an exit code. */
static int look(struct ctl *c, struct hx_search *s) {
    static const struct query query = { "jobs", add, take_rows };
    int64_t deadline = c->args.since == HX_NO_TIME ? hx_mono_ms() + PATIENCE_MS : INT64_MAX;
    int code = 0;
    while (!code && !hx_search_done(s) && (!hx_search_looked(s) || hx_mono_ms() < deadline))
        code = connection_run(c, &query, s);
    return code;
}

/* It was not done: how far it came, and how to go on. The time is the next full second, so that nothing is left out between. */
static void say_how_far(const struct hx_search *s) {
    char reached[MOMENT_SIZE];
    moment_format(hx_search_reached(s) + 999999, reached);
    if (hx_search_reached(s))
        hx_complain("jobs: looked at the newest %" PRId64
                    ", back to %s, and stopped; --until %s goes on, --since TIME looks "
                    "as far back as that",
                    hx_search_looked(s), reached, reached);
    else
        hx_complain("jobs: looked at the newest %" PRId64
                    ", and stopped among those that an older release made; --since "
                    "2000-01-01T00:00:00Z looks at all",
                    hx_search_looked(s));
}

static int conclude(const struct hx_search *s) {
    bool done = hx_search_done(s), found = hx_search_count(s) > 0;
    if (!done)
        say_how_far(s);
    else if (!found)
        hx_complain("jobs: none");
    return found ? HX_EXIT_OK : done ? HX_EXIT_NO : HX_EXIT_TRY_AGAIN;
}

int ctl_jobs(struct ctl *c) {
    const struct ctl_arguments *a = &c->args;
    struct hx_job_filter filter = { .status = a->status,
                                    .type = a->type,
                                    .org_id = a->given & CTL_BIT(CTL_ORG) ? &a->org : NULL,
                                    .since = a->since,
                                    .until = a->until,
                                    .limit = a->limit ? a->limit : LIMIT_DEFAULT };
    _cleanup_buf_ struct hx_buf out = { 0 };
    struct hx_search *s = hx_search_new(&filter);
    int code = look(c, s);
    if (!code && a->json)
        print_json(s, &out);
    else if (!code)
        render(c, s, &out);
    code = output_end(&out, code ? code : conclude(s));
    hx_search_free(s);
    return code;
}
