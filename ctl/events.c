#include "ctl/events.h"

#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/event.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "ctl/row.h"
#include "ctl/table.h"
#include "lib/ledger/ledger.h"

#include <string.h>

/* BURST_US: so close together events are not worth a search. */
enum { LIMIT_DEFAULT = 100, SECOND_US = 1000000, BURST_US = 1000 };

/* ---- lists ---- */

void event_list_add(struct event_list *list, const struct place *place, const char *text) {
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 128;
        list->rows = hx_realloc(list->rows, list->cap * sizeof *list->rows);
    }
    list->rows[list->count++] = (struct event_row){ .place = *place, .text = hx_strdup(text) };
}

void event_list_keep(struct event_list *list, size_t keep) {
    if (list->count <= keep)
        return;
    size_t drop = list->count - keep;
    for (size_t i = 0; i < drop; i++)
        free(list->rows[i].text);
    memmove(list->rows, list->rows + drop, keep * sizeof *list->rows);
    list->count = keep;
}

void event_list_reset(struct event_list *list) {
    event_list_keep(list, 0);
    free(list->rows);
    *list = (struct event_list){ 0 };
}

/* ---- reading ---- */

struct page {
    struct ctl *ctl;
    const struct place *after;
    int32_t limit;
    int statement;
    struct event_list *list;
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct page *p = user;
    const struct ctl_arguments *a = &p->ctl->args;
    p->statement =
        hx_ledger_events_after(tx, p->after->ts, &p->after->id, a->given & CTL_BIT(CTL_JOB) ? &a->job : NULL, p->limit);
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct page *p = user;
    for (int i = 0; i < hx_pg_rows(tx, p->statement); i++) {
        struct place place = { hx_pg_get_time(tx, p->statement, i, 0), hx_pg_get_uuid(tx, p->statement, i, 1) };
        event_list_add(p->list, &place, hx_pg_get_text(tx, p->statement, i, 2, NULL));
    }
}

int events_read(struct ctl *c, const struct place *after, int32_t limit, struct event_list *list,
                struct hx_pg_error *reterr) {
    static const struct query query = { "events", add, take_rows };
    struct page page = { .ctl = c, .after = after, .limit = limit, .list = list };
    return reterr ? connection_try(c, &query, &page, reterr) : connection_run(c, &query, &page);
}

/* All that is behind a moment, page by page, of which the newest n are kept. */
static int read_on(struct ctl *c, int64_t ts, size_t n, struct event_list *list) {
    struct place after = { .ts = ts };
    for (;;) {
        size_t before = list->count;
        int code = events_read(c, &after, EVENTS_PAGE, list, NULL);
        if (code || list->count - before < EVENTS_PAGE)
            return code;
        after = list->rows[list->count - 1].place;
        event_list_keep(list, n);
    }
}

/* Where the newest events are looked for. Moments; behind `few` there are too few, behind `many` too many (0: not found yet). */
struct search {
    int64_t now, step, few, many, at;
};

static void look_elsewhere(struct search *s, bool too_many) {
    if (too_many)
        s->many = s->at;
    else
        s->few = s->at;
    if (s->many) {
        s->at = s->many + (s->few - s->many) / 2;
    } else {
        s->step *= 8; /* `at` gets to 0 long before this overflows */
        s->at = HX_MAX(0, s->now - s->step);
    }
}

/* Events can be read quickly in one direction only, forwards from a moment. So the moment is searched for behind which the newest n
 * are and not many more: back from now in growing steps until there are enough, then by halves while there are too many. */
int events_newest(struct ctl *c, size_t n, struct event_list *list) {
    const size_t limit = n + n / 4 + 100;
    struct search s = {
        .now = c->now_us, .step = SECOND_US, .few = c->now_us + 60 * SECOND_US, .at = c->now_us - SECOND_US
    };
    int code = 0;
    for (;;) {
        event_list_keep(list, 0);
        code = events_read(c, &(struct place){ .ts = s.at }, (int32_t)limit, list, NULL);
        bool too_many = list->count == limit, all = !too_many && (list->count >= n || s.at == 0);
        if (code || all)
            break;
        if (too_many && s.few - s.at <= BURST_US) {
            event_list_keep(list, 0);
            code = read_on(c, s.at, n, list);
            break;
        }
        look_elsewhere(&s, too_many);
    }
    event_list_keep(list, n);
    return code;
}

/* ---- printing ---- */

static void print_line(const struct ctl *c, const json_t *event, struct hx_buf *out) {
    _cleanup_buf_ struct hx_buf change = { 0 }, summary = { 0 };
    char when[MOMENT_SIZE];
    const char *job = row_string(event, "job_id"), *status = row_string(event, "next_status");
    moment_format(row_time(event, "ts"), when);
    event_change(event, &change);
    event_summary(json_object_get(event, "detail_json"), &summary);
    while (summary.len && change.len < strlen("running -> dead_letter"))
        hx_buf_putc(&change, ' ');
    hx_buf_printf(out, "%s  %s  ", when, job ? job : "?");
    table_tint(out, table_status_tint(status), c->colored, change.data);
    if (summary.len) {
        hx_buf_puts(out, "  ");
        table_escape(out, summary.data);
    }
    hx_buf_putc(out, '\n');
}

void event_print(const struct ctl *c, const struct event_row *row, struct hx_buf *out) {
    _cleanup_json_ json_t *event = c->args.json ? NULL : row_parse(row->text);
    if (event) {
        print_line(c, event, out);
        return;
    }
    hx_buf_puts(out, row->text);
    if (!c->args.json || c->args.follow)
        hx_buf_putc(out, '\n');
}

static void print_all(const struct ctl *c, const struct event_list *list, struct hx_buf *out) {
    bool document = c->args.json && !c->args.follow;
    if (document)
        hx_buf_putc(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        if (document && i)
            hx_buf_putc(out, ',');
        event_print(c, &list->rows[i], out);
    }
    if (document)
        hx_buf_puts(out, "]\n");
}

static int none(void) {
    hx_complain("events: none");
    return HX_EXIT_NO;
}

int ctl_events(struct ctl *c) {
    struct event_list list = { 0 };
    _cleanup_buf_ struct hx_buf out = { 0 };
    int code = events_newest(c, c->args.limit ? (size_t)c->args.limit : LIMIT_DEFAULT, &list);
    if (!code) {
        print_all(c, &list, &out);
        code = output_write(&out);
    }
    if (!code && c->args.follow)
        code = events_follow(c, &list);
    else if (!code && !list.count)
        code = none();
    event_list_reset(&list);
    return HX_MAX(code, 0); /* who read us has gone: that is an end like any other */
}
