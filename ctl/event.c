#include "ctl/event.h"

#include "ctl/moment.h"
#include "ctl/row.h"

#include <inttypes.h>
#include <string.h>

enum { VALUE_MAX = 120 };

/* A member that has words of its own, and says whether it could be said. The order of the table is that of the sentence. */
struct phrase {
    const char *key;
    bool (*say)(const json_t *detail, const json_t *value, struct hx_buf *out);
};

static bool say_stage(const json_t *detail, const json_t *value, struct hx_buf *out) {
    const json_t *progress = json_object_get(detail, "progress");
    row_clip(out, value, VALUE_MAX);
    if (json_is_number(progress))
        hx_buf_printf(out, " %.0f%%", json_number_value(progress));
    return true;
}

static bool say_progress(const json_t *detail, const json_t *value, struct hx_buf *out) {
    if (json_object_get(detail, "stage"))
        return false; /* stands beside the stage */
    hx_buf_printf(out, "%.0f%%", json_number_value(value));
    return true;
}

static bool say_attempt(const json_t *detail, const json_t *value, struct hx_buf *out) {
    (void)detail;
    hx_buf_puts(out, "attempt ");
    row_clip(out, value, VALUE_MAX);
    return true;
}

static bool say_error(const json_t *detail, const json_t *value, struct hx_buf *out) {
    (void)detail;
    const char *code = row_string(value, "code"), *message = row_string(value, "message");
    if (!code && !message) {
        row_clip(out, value, VALUE_MAX);
        return true;
    }
    hx_buf_puts(out, code ? code : "error");
    if (message && *message) {
        hx_buf_puts(out, ": ");
        row_clip(out, json_object_get(value, "message"), VALUE_MAX);
    }
    return true;
}

static bool say_plainly(const json_t *detail, const json_t *value, struct hx_buf *out) {
    (void)detail;
    row_clip(out, value, VALUE_MAX);
    return true;
}

static bool say_pause(const json_t *detail, const json_t *value, struct hx_buf *out) {
    char span[MOMENT_SIZE];
    (void)detail;
    moment_span((int64_t)json_number_value(value) * 1000, span);
    hx_buf_printf(out, "again in %s", span);
    return true;
}

static bool say_worker(const json_t *detail, const json_t *value, struct hx_buf *out) {
    (void)detail;
    hx_buf_puts(out, "on ");
    row_clip(out, value, VALUE_MAX);
    return true;
}

static const struct phrase phrases[] = {
    { "stage", say_stage }, { "progress", say_progress }, { "attempt", say_attempt },   { "worker", say_worker },
    { "error", say_error }, { "reason", say_plainly },    { "retry_in_ms", say_pause }, { "delay_ms", say_pause },
};

static bool has_phrase(const char *key) {
    for (size_t i = 0; i < HX_ARRAY_LEN(phrases); i++)
        if (hx_streq(phrases[i].key, key))
            return true;
    return false;
}

static void separate(struct hx_buf *out, size_t start) {
    if (out->len > start)
        hx_buf_puts(out, ", ");
}

void event_summary(const json_t *detail, struct hx_buf *out) {
    size_t start = out->len;
    const char *key;
    json_t *value;
    if (!json_is_object(detail)) {
        if (detail && !json_is_null(detail))
            row_clip(out, detail, VALUE_MAX);
        return;
    }
    for (size_t i = 0; i < HX_ARRAY_LEN(phrases); i++) {
        const json_t *said = json_object_get(detail, phrases[i].key);
        _cleanup_buf_ struct hx_buf words = { 0 };
        if (!said || json_is_null(said) || !phrases[i].say(detail, said, &words))
            continue;
        separate(out, start);
        hx_buf_append(out, words.data, words.len);
    }
    json_object_foreach((json_t *)detail, key, value) {
        if (has_phrase(key) || json_is_null(value))
            continue;
        separate(out, start);
        hx_buf_printf(out, "%s ", key);
        row_clip(out, value, VALUE_MAX);
    }
}

void event_change(const json_t *event, struct hx_buf *out) {
    const char *before = row_string(event, "prev_status"), *after = row_string(event, "next_status");
    if (before && !hx_streq(before, after))
        hx_buf_printf(out, "%s -> ", before);
    hx_buf_puts(out, after ? after : "?");
}
