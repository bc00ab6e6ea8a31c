/* heimdexctl job: a row and its history. */
#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/event.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "ctl/row.h"
#include "ctl/table.h"
#include "lib/ledger/ledger.h"

#include <inttypes.h>

enum { VALUE_MAX = 2000 };

struct view {
    struct ctl *ctl;
    struct hx_uuid id;
    int job_statement, event_statement;
    bool found;
    struct hx_buf out;
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct view *v = user;
    v->job_statement = hx_ledger_get_job(tx, &v->id);
    v->event_statement = hx_ledger_get_events(tx, &v->id);
}

/* ---- the row ---- */

static void put_text(struct table *t, const char *name, const char *text) {
    if (!text || !*text)
        return;
    table_put(t, HEADING, "%s", name);
    table_put(t, PLAIN, "%s", text);
}

static void put_moment(struct table *t, const char *name, const json_t *job, const char *key, int64_t now_us) {
    char text[MOMENT_SIZE];
    int64_t us = row_time(job, key);
    moment_both(us, now_us, text);
    if (us != HX_NO_TIME)
        put_text(t, name, text);
}

static void put_status(struct table *t, const json_t *job) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    const char *status = row_string(job, "status");
    hx_buf_printf(&text, "%s, attempt %" PRId64, status ? status : "?", row_int(job, "attempt"));
    if (json_is_integer(json_object_get(job, "max_attempts")))
        hx_buf_printf(&text, " of %" PRId64, row_int(job, "max_attempts"));
    if (row_int(job, "crash_count"))
        hx_buf_printf(&text, ", %" PRId64 " crashes", row_int(job, "crash_count"));
    table_put(t, HEADING, "status");
    table_put(t, table_status_tint(status), "%s", text.data);
}

static void put_value(struct table *t, const char *name, const json_t *value) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    if (!value || json_is_null(value))
        return;
    row_clip(&text, value, VALUE_MAX);
    put_text(t, name, text.data);
}

static void put_number(struct table *t, const char *name, const json_t *job, const char *key, const char *unit) {
    if (!row_int(job, key))
        return;
    table_put(t, HEADING, "%s", name);
    table_put(t, PLAIN, "%" PRId64 "%s", row_int(job, key), unit);
}

static void render_job(struct view *v, const json_t *job) {
    _cleanup_table_ struct table t;
    int64_t now = v->ctl->now_us;
    table_init(&t, NULL, 2);
    put_text(&t, "job", row_string(job, "id"));
    put_text(&t, "type", row_string(job, "type"));
    put_status(&t, job);
    put_text(&t, "error", row_string(job, "last_error_code"));
    put_text(&t, "message", row_string(job, "last_error_message"));
    put_text(&t, "stage", row_string(job, "stage"));
    put_value(&t, "progress", json_object_get(job, "progress"));
    put_moment(&t, "created", job, "created_at", now);
    put_moment(&t, "run at", job, "run_at", now);
    put_moment(&t, "started", job, "started_at", now);
    put_moment(&t, "finished", job, "finished_at", now);
    put_text(&t, "org", row_string(job, "org_id"));
    put_text(&t, "requested by", row_string(job, "requested_by"));
    put_text(&t, "key", row_string(job, "idempotency_key"));
    put_number(&t, "priority", job, "priority", "");
    put_number(&t, "fence", job, "fence", "");
    put_number(&t, "timeout", job, "timeout_ms", " ms");
    put_value(&t, "payload", json_object_get(job, "payload"));
    put_value(&t, "result", json_object_get(job, "result"));
    table_render(&t, 0, v->ctl->colored, &v->out);
}

/* ---- its events ---- */

/* How long after the event before: what people look for is where the time went. */
static void put_gap(struct table *t, int64_t before_us, int64_t us) {
    if (before_us == HX_NO_TIME || us == HX_NO_TIME)
        table_put(t, PLAIN, "%s", "");
    else
        table_put(t, FAINT, "+%" PRId64 ".%03" PRId64 "s", (us - before_us) / 1000000, (us - before_us) / 1000 % 1000);
}

static void put_event(struct table *t, const json_t *event, int64_t before_us) {
    _cleanup_buf_ struct hx_buf change = { 0 }, summary = { 0 };
    char when[MOMENT_SIZE];
    moment_format(row_time(event, "ts"), when);
    event_change(event, &change);
    event_summary(json_object_get(event, "detail_json"), &summary);
    table_put(t, PLAIN, "%s", when);
    put_gap(t, before_us, row_time(event, "ts"));
    table_put(t, table_status_tint(row_string(event, "next_status")), "%s", change.data);
    table_put(t, PLAIN, "%s", summary.len ? summary.data : "");
}

static void render_events(struct view *v, const struct hx_pg_tx *tx) {
    static const char *const headers[] = { "TIME", ">AFTER", "EVENT", "DETAIL" };
    _cleanup_table_ struct table t;
    int64_t before = HX_NO_TIME;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    for (int i = 0; i < hx_pg_rows(tx, v->event_statement); i++) {
        _cleanup_json_ json_t *event = row_parse(hx_pg_get_text(tx, v->event_statement, i, 0, NULL));
        put_event(&t, event, before);
        before = row_time(event, "ts");
    }
    hx_buf_putc(&v->out, '\n');
    table_render(&t, 0, v->ctl->colored, &v->out);
}

static void read_json(struct view *v, const struct hx_pg_tx *tx) {
    hx_buf_printf(&v->out, "{\"job\":%s,\"events\":[", hx_pg_get_text(tx, v->job_statement, 0, 0, NULL));
    for (int i = 0; i < hx_pg_rows(tx, v->event_statement); i++)
        hx_buf_printf(&v->out, "%s%s", i ? "," : "", hx_pg_get_text(tx, v->event_statement, i, 0, NULL));
    hx_buf_puts(&v->out, "]}\n");
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct view *v = user;
    v->found = hx_pg_rows(tx, v->job_statement) > 0;
    if (!v->found)
        return;
    if (v->ctl->args.json) {
        read_json(v, tx);
        return;
    }
    _cleanup_json_ json_t *job = row_parse(hx_pg_get_text(tx, v->job_statement, 0, 0, NULL));
    render_job(v, job);
    render_events(v, tx);
}

int ctl_job(struct ctl *c) {
    static const struct query query = { "job", add, take_rows };
    struct view v = { .ctl = c };
    if (hx_uuid_parse(c->words[0], &v.id) < 0) {
        hx_complain("job: %s: must be a UUID", c->words[0]);
        return HX_EXIT_USAGE;
    }
    int code = connection_run(c, &query, &v);
    if (!code && !v.found) {
        hx_complain("job: %s: no such job", c->words[0]);
        code = HX_EXIT_NO;
    }
    code = output_end(&v.out, code);
    hx_buf_reset(&v.out);
    return code;
}
