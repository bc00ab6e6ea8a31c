#include "producer/wait.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/units.h"
#include "lib/json/json.h"
#include "producer/failure.h"
#include "producer/progress_bar.h"
#include "lib/json/slice.h"

#include <string.h>

enum { PAUSE_FIRST_MS = 50, PAUSE_MAX_MS = 500 };

struct wait {
    struct session *session;
    const struct answer *job;
    char id[HX_UUID_SIZE];
    struct hx_timer *look, *give_up;
    struct progress_bar *bar;
    int64_t pause_ms, answered_ms;
    int watch; /* index of the statement */
    int64_t *delivered;
    size_t delivered_count;
    enum hx_status status;
    struct hx_buf result;     /* JSON */
    struct hx_buf error, why; /* JSON object; for people */
    bool done;
    int exit_code;
};

static void finish(struct wait *w, int exit_code) {
    w->done = true;
    w->exit_code = exit_code;
}

/* ---- errors of PostgreSQL ---- */

/* True if it is worth while to look again. */
static bool passes(struct wait *w, const struct hx_pg_error *error) {
    if (failure_is_passing(error, true) && hx_mono_ms() - w->answered_ms < w->session->timeout_ms)
        return true;
    struct hx_pg_error asked = *error;
    asked.in_doubt = false; /* we only looked */
    progress_bar_hide(w->bar);
    finish(w, failure_complain(&asked));
    return false;
}

static void look_later(struct wait *w) {
    hx_timer_set(w->look, w->pause_ms);
    w->pause_ms = HX_MIN(w->pause_ms + w->pause_ms / 4, (int64_t)PAUSE_MAX_MS);
}

/* ---- the end ---- */

static const char *text_of(const json_t *object, const char *name) {
    const char *text = NULL;
    return hx_json_get_string(object, name, &text) > 0 ? text : NULL;
}

static void read_error(struct wait *w, const char *job, size_t n) {
    _cleanup_json_ json_t *object = NULL;
    if (hx_json_parse(job, n, &object, NULL) < 0)
        return;
    const char *code = text_of(object, "last_error_code"), *message = text_of(object, "last_error_message");
    if (!code)
        return;
    hx_buf_puts(&w->error, "{\"code\":");
    hx_buf_json_string(&w->error, code, SIZE_MAX);
    hx_buf_puts(&w->error, ",\"message\":");
    hx_buf_json_string(&w->error, message ? message : "", SIZE_MAX);
    hx_buf_putc(&w->error, '}');
    hx_buf_printf(&w->why, ": %s%s%s", code, message && *message ? ": " : "", message ? message : "");
}

/* As it stands in the ledger: through a number type of ours it might come out different. */
static void read_result(struct wait *w, const char *job, size_t n) {
    struct hx_slice result;
    if (hx_slice_member(job, n, "result", &result) && !hx_slice_is_null(result))
        hx_slice_append_compact(result, &w->result);
}

static void fail(struct wait *w) {
    progress_bar_hide(w->bar);
    hx_complain("job %s: %s%s", w->id, hx_status_name(w->status), w->why.data ? w->why.data : "");
    finish(w, HX_EXIT_NO);
}

static void on_job(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct wait *w = user;
    if (w->done)
        return;
    if (error) {
        if (passes(w, error))
            look_later(w);
        return;
    }
    size_t n = 0;
    const char *job = hx_pg_rows(tx, 0) > 0 ? hx_pg_get_text(tx, 0, 0, 0, &n) : NULL;
    if (job && w->status == HX_SUCCEEDED)
        read_result(w, job, n);
    else if (job)
        read_error(w, job, n);
    if (w->status == HX_SUCCEEDED)
        finish(w, HX_EXIT_OK);
    else
        fail(w);
}

static void ask_for_job(struct wait *w) {
    struct hx_pg_tx *tx = hx_pg_tx_new("get_job");
    hx_ledger_get_job(tx, &w->job->id);
    hx_pg_submit(w->session->pg, tx, w->session->timeout_ms, on_job, w);
}

/* ---- looking ---- */

static void show(struct wait *w, const char *detail, size_t n) {
    _cleanup_json_ json_t *object = NULL;
    json_int_t percent = -1;
    const char *status = hx_status_name(w->status), *stage = NULL;
    if (!w->bar)
        return;
    if (detail && w->status == HX_RUNNING && hx_json_parse(detail, n, &object, NULL) == 0) {
        hx_json_get_int(object, "progress", &percent);
        stage = text_of(object, "stage");
    }
    progress_bar_show(w->bar, percent >= 0 && percent <= 100 ? (double)percent / 100 : -1, "%s%s%s", status,
                      stage ? ": " : "", stage ? stage : "");
}

static void take_row(struct wait *w, const struct hx_pg_tx *tx) {
    size_t n = 0;
    const char *status = hx_pg_get_text(tx, w->watch, 0, 0, NULL), *detail = hx_pg_get_text(tx, w->watch, 0, 1, &n);
    if (!status || hx_status_parse(status, &w->status) < 0) {
        hx_complain("job %s: unknown status", w->id);
        finish(w, HX_EXIT_SOFTWARE);
    } else if (hx_status_terminal(w->status)) {
        ask_for_job(w);
    } else {
        show(w, detail, n);
        look_later(w);
    }
}

static void on_watch(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct wait *w = user;
    if (error)
        announcer_give_back(w->session->announcer, w->delivered, w->delivered_count);
    free(HX_TAKE(w->delivered));
    w->delivered_count = 0;
    if (w->done)
        return;
    if (error) {
        if (passes(w, error))
            look_later(w);
        return;
    }
    w->answered_ms = hx_mono_ms();
    if (hx_pg_rows(tx, w->watch) == 0) {
        progress_bar_hide(w->bar);
        hx_complain("job %s: is gone", w->id);
        finish(w, HX_EXIT_NO);
        return;
    }
    take_row(w, tx);
}

static void on_look(void *user) {
    struct wait *w = user;
    struct hx_pg_tx *tx = hx_pg_tx_new("watch");
    w->watch = hx_ledger_watch(tx, &w->job->id);
    w->delivered_count = announcer_take_delivered(w->session->announcer, &w->delivered);
    if (w->delivered_count > 0)
        hx_ledger_outbox_done(tx, w->delivered, w->delivered_count);
    hx_pg_submit(w->session->pg, tx, w->session->timeout_ms, on_watch, w);
}

static void on_give_up(void *user) {
    struct wait *w = user;
    char time[HX_DURATION_SIZE];
    hx_duration_format(w->session->arguments->wait_ms, time);
    progress_bar_hide(w->bar);
    hx_complain("job %s: still %s after %s", w->id, hx_status_name(w->status), time);
    finish(w, HX_EXIT_NO);
}

/* ---- the run ---- */

static const char *or_null(const struct hx_buf *json) {
    return json->len ? json->data : "null";
}

static void print(struct wait *w) {
    struct hx_buf *out = output_buffer(w->session->output);
    const struct answer *job = w->job;
    if (w->session->arguments->json)
        hx_buf_printf(out, "{\"id\":\"%s\",\"created\":%s,\"status\":\"%s\",\"result\":%s,\"error\":%s}\n", w->id,
                      job->created ? "true" : "false", hx_status_name(w->status), or_null(&w->result),
                      or_null(&w->error));
    else if (w->result.len > 0)
        hx_buf_printf(out, "%s\n", w->result.data);
    output_drain(w->session->output);
}

int wait_run(struct session *session, const struct answer *job) {
    struct wait w = {
        .session = session, .job = job, .pause_ms = PAUSE_FIRST_MS, .answered_ms = hx_mono_ms(), .status = HX_QUEUED
    };
    hx_uuid_format(&job->id, w.id);
    w.look = hx_timer_new(session->loop, on_look, &w);
    w.give_up = hx_timer_new(session->loop, on_give_up, &w);
    w.bar = progress_bar_new();
    hx_timer_set(w.look, w.pause_ms);
    if (session->arguments->wait_ms >= 0)
        hx_timer_set(w.give_up, session->arguments->wait_ms);
    while (!w.done && session_is_well(session))
        session_turn(session);
    w.bar = progress_bar_free(w.bar);
    print(&w);
    int r = session_complain(session);
    if (hx_pg_pending(session->pg) > 0) /* its end would be told to us */
        session->pg = hx_pg_free(session->pg);
    hx_timer_free(w.look);
    hx_timer_free(w.give_up);
    free(w.delivered);
    hx_buf_reset(&w.result);
    hx_buf_reset(&w.error);
    hx_buf_reset(&w.why);
    return r != 0 ? r : w.exit_code;
}
