#include "worker/outcome.h"

#include "common/backoff.h"

#include <stdlib.h>
#include <string.h>

/* The lengths of the columns they go to. */
enum { CODE_MAX = 100, MESSAGE_MAX = 8192 };

static void begin(struct run *run, enum hx_status status) {
    free(run->code);
    free(run->text);
    free(run->detail);
    run->code = run->text = run->detail = NULL;
    run->plain = false;
    run->outcome = (struct hx_outcome){ .id = run->id, .fence = run->fence, .status = status };
}

/* Opens the event's detail: every one says which attempt it was and where it ran. */
static void open_detail(struct run *run, struct hx_buf *b) {
    hx_buf_printf(b, "{\"attempt\":%d,\"worker\":", run->attempt);
    hx_buf_json_string(b, run->worker->label, SIZE_MAX);
}

static void close_detail(struct run *run, struct hx_buf *b) {
    if (run->spent[0])
        hx_buf_printf(b, ",%s", run->spent);
    hx_buf_puts(b, run->output_truncated ? ",\"output_truncated\":true}" : "}");
    run->detail = hx_buf_take(b);
    run->outcome.detail = run->detail;
}

static void put_string(struct hx_buf *b, const char *key, const char *value) {
    hx_buf_printf(b, ",\"%s\":", key);
    hx_buf_json_string(b, value, SIZE_MAX);
}

static char *clipped(const char *text, size_t max) {
    char *copy = hx_alloc(max + 1);
    hx_strcopy(copy, max + 1, text);
    return copy;
}

static void set_error(struct run *run, const char *code, const char *message) {
    run->code = clipped(code && *code ? code : "error", CODE_MAX);
    run->text = clipped(message ? message : "", MESSAGE_MAX);
    run->outcome.code = run->code;
    run->outcome.message = run->text;
}

void outcome_success(struct run *run, const char *result_json) {
    begin(run, HX_SUCCEEDED);
    _cleanup_buf_ struct hx_buf b = { 0 };
    open_detail(run, &b);
    if (result_json)
        hx_buf_printf(&b, ",\"result\":%s", result_json);
    close_detail(run, &b);
}

void outcome_failure(struct run *run, const struct failure *f) {
    bool last = run->attempt >= run->max_attempts;
    bool dead = last || f->retry == RETRY_NO;
    begin(run, dead ? HX_DEAD_LETTER : HX_FAILED);
    set_error(run, f->code, f->message);
    _cleanup_buf_ struct hx_buf b = { 0 };
    open_detail(run, &b);
    hx_buf_puts(&b, ",\"error\":{\"code\":");
    hx_buf_json_string(&b, run->code, SIZE_MAX);
    put_string(&b, "message", run->text);
    hx_buf_printf(&b, ",\"retry\":%s}", f->retry == RETRY_NO ? "false" : "true");
    if (f->members)
        hx_buf_printf(&b, ",%s", f->members);
    if (dead) {
        put_string(&b, "reason", f->retry == RETRY_NO ? "permanent error" : "attempts used up");
    } else {
        const struct handler *h = run->handler;
        run->outcome.delay_ms = f->retry_after_ms >= 0 ? f->retry_after_ms
                                                       : hx_backoff_full_jitter((unsigned)run->attempt,
                                                                                h->backoff_base_ms, h->backoff_max_ms);
        run->outcome.reason = "retry";
        hx_buf_printf(&b, ",\"retry_in_ms\":%lld", (long long)run->outcome.delay_ms);
    }
    close_detail(run, &b);
}

static void queue_again(struct run *run, const char *reason, const char *why, int64_t delay_ms, int32_t add_max,
                        int32_t add_attempt) {
    begin(run, HX_QUEUED);
    run->outcome.reason = reason;
    run->outcome.delay_ms = delay_ms;
    run->outcome.add_max_attempts = add_max;
    run->outcome.add_attempt = add_attempt;
    _cleanup_buf_ struct hx_buf b = { 0 };
    open_detail(run, &b);
    put_string(&b, "reason", why);
    if (add_max)
        hx_buf_printf(&b, ",\"max_attempts\":%d", run->max_attempts + add_max);
    if (delay_ms)
        hx_buf_printf(&b, ",\"delay_ms\":%lld", (long long)delay_ms);
    close_detail(run, &b);
}

void outcome_snooze(struct run *run, int64_t delay_ms) {
    queue_again(run, "snoozed", "snoozed", delay_ms, 1, 0);
}

void outcome_cut_short(struct run *run, const char *why) {
    queue_again(run, "released", why, 0, 1, 0);
}

void outcome_released(struct run *run, const char *why) {
    queue_again(run, "released", why, 0, 0, -1);
}

void outcome_canceled(struct run *run, const char *why) {
    begin(run, HX_CANCELED);
    set_error(run, "canceled", why);
    _cleanup_buf_ struct hx_buf b = { 0 };
    open_detail(run, &b);
    put_string(&b, "reason", run->text);
    close_detail(run, &b);
}

void outcome_unwritable(struct run *run, const char *sqlstate, const char *message) {
    begin(run, HX_DEAD_LETTER);
    run->unwritable = true;
    set_error(run, sqlstate, message);
    _cleanup_buf_ struct hx_buf b = { 0 };
    open_detail(run, &b);
    hx_buf_puts(&b, ",\"error\":{\"code\":");
    hx_buf_json_string(&b, run->code, SIZE_MAX);
    put_string(&b, "message", run->text);
    hx_buf_puts(&b, ",\"retry\":false},\"reason\":\"the outcome was refused by the database\"");
    close_detail(run, &b);
}
