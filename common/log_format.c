/* The three forms of a log line. */
#include "common/clock.h"
#include "common/log_event.h"
#include "common/log_internal.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#define FIELD(member, upper, type) \
    { #member, "HEIMDEX_" upper, offsetof(struct hx_log_ctx, member), type }

const struct hx_log_field hx_log_fields[] = {
    FIELD(job_id, "JOB_ID", HX_LOG_FIELD_TEXT),     FIELD(job_type, "JOB_TYPE", HX_LOG_FIELD_TEXT),
    FIELD(org_id, "ORG_ID", HX_LOG_FIELD_TEXT),     FIELD(attempt, "ATTEMPT", HX_LOG_FIELD_INT),
    FIELD(fence, "FENCE", HX_LOG_FIELD_INT),        FIELD(worker, "WORKER", HX_LOG_FIELD_TEXT),
    FIELD(topic, "TOPIC", HX_LOG_FIELD_TEXT),       FIELD(partition, "PARTITION", HX_LOG_FIELD_INT),
    FIELD(offset, "OFFSET", HX_LOG_FIELD_INT64),    FIELD(error_code, "ERROR_CODE", HX_LOG_FIELD_TEXT),
    FIELD(trace_id, "TRACE_ID", HX_LOG_FIELD_TEXT),
};
const size_t hx_log_field_count = HX_ARRAY_LEN(hx_log_fields);

const char *hx_log_field_text(const struct hx_log_field *field, const struct hx_log_ctx *ctx,
                              char scratch[HX_LOG_NUMBER_SIZE]) {
    const void *at = (const char *)ctx + field->offset;
    if (field->kind == HX_LOG_FIELD_TEXT)
        return *(const char *const *)at;
    int64_t number = field->kind == HX_LOG_FIELD_INT ? *(const int *)at : *(const int64_t *)at;
    if (number < 0)
        return NULL;
    snprintf(scratch, HX_LOG_NUMBER_SIZE, "%lld", (long long)number);
    return scratch;
}

static const char *level_name(enum hx_log_level level) {
    static const char *const names[] = {
        [HX_LOG_ERR] = "error", [HX_LOG_WARNING] = "warning", [HX_LOG_NOTICE] = "notice",
        [HX_LOG_INFO] = "info", [HX_LOG_DEBUG] = "debug",
    };
    return (size_t)level < HX_ARRAY_LEN(names) && names[level] ? names[level] : "error";
}

static const char *event_name(const struct hx_log_line *line) {
    return line->ctx->event ? line->ctx->event : "log";
}

/* Members of JSON on one line: where a raw control character is legal in JSON, it is white space. */
static void put_detail(struct hx_buf *out, const char *detail) {
    size_t start = out->len;
    hx_buf_puts(out, detail);
    for (char *p = out->data + start; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
}

/* ---- JSON ---- */

static void json_member(struct hx_buf *out, const char *name, const char *value) {
    hx_buf_printf(out, ",\"%s\":", name);
    hx_buf_json_string(out, value, SIZE_MAX);
}

void hx_log_format_json(struct hx_buf *out, const struct hx_log_line *line) {
    char ts[HX_RFC3339_SIZE], scratch[HX_LOG_NUMBER_SIZE];
    hx_rfc3339_format(line->wall_us, ts);
    hx_buf_printf(out, "{\"ts\":\"%s\"", ts);
    json_member(out, "service", line->service);
    json_member(out, "env", line->environment);
    json_member(out, "level", level_name(line->level));
    json_member(out, "event", event_name(line));
    json_member(out, "message", line->message);
    for (size_t i = 0; i < hx_log_field_count; i++) {
        const char *value = hx_log_field_text(&hx_log_fields[i], line->ctx, scratch);
        if (value && hx_log_fields[i].kind == HX_LOG_FIELD_TEXT)
            json_member(out, hx_log_fields[i].name, value);
        else if (value)
            hx_buf_printf(out, ",\"%s\":%s", hx_log_fields[i].name, value);
    }
    if (line->ctx->detail_json && line->ctx->detail_json[0]) {
        hx_buf_putc(out, ',');
        put_detail(out, line->ctx->detail_json);
    }
    hx_buf_puts(out, "}\n");
}

/* ---- text ---- */

/* JSON's escapes are those of a log too; only quotes and backslashes stay as people write them. */
void hx_log_escape(struct hx_buf *out, const char *text) {
    static const char names[] = { ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r' };
    size_t n = strlen(text);
    if (hx_utf8_valid(text, n)) {
        size_t plain = 0;
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)text[i];
            bool c1_control = c == 0xc2 && (unsigned char)text[i + 1] < 0xa0;
            if (c >= 0x20 && c != 0x7f && !c1_control)
                continue;
            hx_buf_append(out, text + plain, i - plain);
            if (c < sizeof(names) && names[c])
                hx_buf_printf(out, "\\%c", names[c]);
            else
                hx_buf_printf(out, "\\x%02x", c1_control ? (unsigned char)text[++i] : c);
            plain = i + 1;
        }
        hx_buf_append(out, text + plain, n - plain);
        return;
    }
    /* Rare: one byte at a time, characters that are whole kept. */
    for (size_t i = 0; i < n;) {
        size_t len = 1;
        while (len < 4 && i + len < n && !hx_utf8_valid(text + i, len))
            len++;
        if (hx_utf8_valid(text + i, len)) {
            char one[5] = { 0 };
            memcpy(one, text + i, len);
            hx_log_escape(out, one);
            i += len;
        } else {
            hx_buf_puts(out, "\xef\xbf\xbd");
            i++;
        }
    }
}

void hx_log_format_text(struct hx_buf *out, const struct hx_log_line *line, bool colour) {
    char ts[HX_RFC3339_SIZE], scratch[HX_LOG_NUMBER_SIZE];
    const char *paint = line->level <= HX_LOG_ERR ? "\033[31m" : line->level == HX_LOG_WARNING ? "\033[33m" : NULL;
    hx_rfc3339_format(line->wall_us, ts);
    hx_buf_printf(out, "%.23sZ %-7s ", ts, level_name(line->level));
    hx_log_escape(out, line->service);
    hx_buf_puts(out, ": ");
    if (colour && paint)
        hx_buf_puts(out, paint);
    hx_log_escape(out, line->message);
    if (colour && paint)
        hx_buf_puts(out, "\033[0m");
    for (size_t i = 0; i < hx_log_field_count; i++) {
        const char *value = hx_log_field_text(&hx_log_fields[i], line->ctx, scratch);
        if (!value)
            continue;
        hx_buf_printf(out, " %s=", hx_log_fields[i].name);
        hx_log_escape(out, value);
    }
    if (line->ctx->detail_text && line->ctx->detail_text[0]) {
        hx_buf_putc(out, ' ');
        hx_log_escape(out, line->ctx->detail_text);
    }
    hx_buf_putc(out, '\n');
}

/* ---- telling our lines from others' ---- */

/* "2026-11-21T11:01:26.648" */
static bool is_time(const char *text, size_t n) {
    static const char form[] = "0000-00-00T00:00:00.000";
    for (size_t i = 0; i < sizeof(form) - 1; i++)
        if (i >= n || (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i]))
            return false;
    return true;
}

bool hx_log_wrote(const char *line, size_t n) {
    static const char json[] = "{\"ts\":\"";
    enum { JSON = sizeof(json) - 1, TIME = 23 };
    if (n >= JSON && memcmp(line, json, JSON) == 0)
        return is_time(line + JSON, n - JSON);
    if (!is_time(line, n) || n < TIME + 2 || memcmp(line + TIME, "Z ", 2) != 0)
        return false;
    size_t level_len = 0;
    const char *level = line + TIME + 2;
    while (TIME + 2 + level_len < n && level[level_len] != ' ')
        level_len++;
    for (enum hx_log_level l = HX_LOG_ERR; l <= HX_LOG_DEBUG; l++)
        if (strlen(level_name(l)) == level_len && memcmp(level, level_name(l), level_len) == 0)
            return true;
    return false;
}

/* ---- journal: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ ---- */

/* Escaped values hold no newline, so the simple form will do. */
static void journal_field(struct hx_buf *out, const char *name, const char *value) {
    hx_buf_puts(out, name);
    hx_buf_putc(out, '=');
    hx_log_escape(out, value);
    hx_buf_putc(out, '\n');
}

void hx_log_format_journal(struct hx_buf *out, const struct hx_log_line *line) {
    char scratch[HX_LOG_NUMBER_SIZE];
    journal_field(out, "MESSAGE", line->message);
    hx_buf_printf(out, "PRIORITY=%d\n", (int)line->level);
    const struct hx_log_event *event = hx_log_event_find(line->ctx->event);
    if (event)
        hx_buf_printf(out, "MESSAGE_ID=%s\n", event->id);
    journal_field(out, "SYSLOG_IDENTIFIER", line->service);
    journal_field(out, "HEIMDEX_EVENT", event_name(line));
    for (size_t i = 0; i < hx_log_field_count; i++) {
        const char *value = hx_log_field_text(&hx_log_fields[i], line->ctx, scratch);
        if (value)
            journal_field(out, hx_log_fields[i].journal, value);
    }
    if (line->ctx->detail_json && line->ctx->detail_json[0]) {
        hx_buf_puts(out, "HEIMDEX_DETAIL={");
        put_detail(out, line->ctx->detail_json);
        hx_buf_puts(out, "}\n");
    }
}
