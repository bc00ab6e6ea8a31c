/* heimdexctl jobs: a list, newest first. */
#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "ctl/row.h"
#include "ctl/table.h"
#include "lib/ledger/ledger.h"

#include <inttypes.h>

enum { LIMIT_DEFAULT = 50, ERROR_MAX = 60 };

struct listing {
    struct ctl *ctl;
    int statement;
    struct hx_buf json; /* the array */
    struct table table;
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct listing *l = user;
    const struct ctl_arguments *a = &l->ctl->args;
    struct hx_job_filter filter = { .status = a->status,
                                    .type = a->type,
                                    .org_id = a->given & CTL_BIT(CTL_ORG) ? &a->org : NULL,
                                    .since = a->since,
                                    .limit = a->limit ? a->limit : LIMIT_DEFAULT };
    l->statement = hx_ledger_list(tx, &filter);
}

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

static void put_job(struct listing *l, const char *text) {
    struct table *t = &l->table;
    char created[MOMENT_SIZE];
    _cleanup_json_ json_t *job = row_parse(text);
    const char *id = row_string(job, "id"), *type = row_string(job, "type"), *status = row_string(job, "status");
    moment_both(row_time(job, "created_at"), l->ctl->now_us, created);
    table_put(t, PLAIN, "%s", id ? id : "");
    table_put(t, PLAIN, "%s", type ? type : "");
    table_put(t, table_status_tint(status), "%s", status ? status : "");
    put_attempt(t, job);
    table_put(t, PLAIN, "%s", created);
    put_error(t, job);
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct listing *l = user;
    int rows = hx_pg_rows(tx, l->statement);
    for (int i = 0; i < rows; i++) {
        const char *text = hx_pg_get_text(tx, l->statement, i, 0, NULL);
        if (l->ctl->args.json)
            hx_buf_printf(&l->json, "%s%s", i ? "," : "", text);
        else
            put_job(l, text);
    }
}

int ctl_jobs(struct ctl *c) {
    static const char *const headers[] = { "ID", "TYPE", "STATUS", ">ATTEMPT", "CREATED", "ERROR" };
    static const struct query query = { "jobs", add, take_rows };
    struct listing l = { .ctl = c };
    _cleanup_buf_ struct hx_buf out = { 0 };
    table_init(&l.table, headers, HX_ARRAY_LEN(headers));
    int code = connection_run(c, &query, &l);
    if (!code && c->args.json)
        hx_buf_printf(&out, "[%s]\n", l.json.len ? l.json.data : "");
    else if (!code && l.table.count)
        table_render(&l.table, 0, c->colored, &out);
    else if (!code)
        hx_complain("jobs: none");
    code = output_end(&out, code);
    hx_buf_reset(&l.json);
    table_reset(&l.table);
    return code;
}
