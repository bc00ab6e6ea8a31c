/* --show-config and the `starting` event, redacted. */
#include "lib/config/state.h"

#include "common/redact.h"
#include "common/units.h"

#include <inttypes.h>
#include <string.h>

static bool is_number(enum hx_type type) {
    return type == HX_TYPE_INT;
}

/* An element of a list, without the secret that it may hold. */
static void append_element(const char *element, struct hx_buf *out) {
    if (hx_value_secret_property(element)) {
        hx_buf_append(out, element, strcspn(element, "=") + 1);
        hx_buf_puts(out, "***");
    } else {
        hx_redact(out, element);
    }
}

static void append_quoted(const char *text, struct hx_buf *out) {
    _cleanup_buf_ struct hx_buf safe = { 0 };
    hx_redact(&safe, text);
    hx_buf_json_string(out, safe.data ? safe.data : "", SIZE_MAX);
}

/* The value as libconfig and JSON both write it: a quoted string, a number, [ … ]. */
static void append_value(enum hx_key key, const struct hx_value *value, struct hx_buf *out) {
    const struct hx_row *row = &hx_table[key];
    if (row->type == HX_TYPE_LIST) {
        hx_buf_putc(out, '[');
        for (size_t i = 0; i < value->count; i++) {
            _cleanup_buf_ struct hx_buf element = { 0 };
            append_element(value->list[i], &element);
            hx_buf_puts(out, i ? ", " : "");
            hx_buf_json_string(out, element.data, SIZE_MAX);
        }
        hx_buf_putc(out, ']');
    } else if (row->secret) {
        hx_buf_puts(out, "\"***\"");
    } else if (is_number(row->type) || (row->type == HX_TYPE_PORT && !strchr(value->text, ','))) {
        hx_buf_printf(out, "%" PRId64, value->number);
    } else if (strstr(value->text, "://")) {
        append_quoted(value->text, out);
    } else { /* not through hx_redact: a password that equals the user's name would hide the name, and show itself */
        hx_buf_json_string(out, value->text, SIZE_MAX);
    }
}

/* A member of a handler, as libconfig (` name = value;`) or as JSON (`,"name":value`) writes it; put_value follows. */
static void put_name(bool json, const char *name, struct hx_buf *out) {
    hx_buf_printf(out, json ? ",\"%s\":" : " %s = ", name);
}

static void put_end(bool json, struct hx_buf *out) {
    if (!json)
        hx_buf_putc(out, ';');
}

static void put_text(bool json, const char *name, const char *text, struct hx_buf *out) {
    if (!text)
        return;
    put_name(json, name, out);
    append_quoted(text, out);
    put_end(json, out);
}

static void put_limit(bool json, const char *name, int64_t number, void (*format)(int64_t, char *),
                      struct hx_buf *out) {
    char text[HX_DURATION_SIZE];
    if (number < 0)
        return;
    if (format) {
        format(number, text);
        put_text(json, name, text, out);
        return;
    }
    put_name(json, name, out);
    hx_buf_printf(out, "%" PRId64, number);
    put_end(json, out);
}

static void put_exec(bool json, const char *const *exec, struct hx_buf *out) {
    put_name(json, "exec", out);
    hx_buf_putc(out, '[');
    for (size_t i = 0; exec[i]; i++) {
        hx_buf_puts(out, i ? ", " : "");
        append_quoted(exec[i], out);
    }
    hx_buf_putc(out, ']');
    put_end(json, out);
}

/* All members but the type. */
static void put_handler(bool json, const struct hx_handler_config *h, struct hx_buf *out) {
    if (h->exec)
        put_exec(json, h->exec, out);
    put_text(json, "url", h->url, out);
    put_text(json, "secret_file", h->secret_file, out);
    put_text(json, "queue", h->queue, out);
    put_limit(json, "timeout", h->timeout_ms, hx_duration_format, out);
    put_limit(json, "max_attempts", h->max_attempts, NULL, out);
    put_limit(json, "backoff_base", h->backoff_base_ms, hx_duration_format, out);
    put_limit(json, "backoff_max", h->backoff_max_ms, hx_duration_format, out);
    put_limit(json, "concurrency", h->concurrency, NULL, out);
    put_limit(json, "memory_max", h->memory_max, hx_size_format, out);
    if (h->cpu_max >= 0) {
        put_name(json, "cpu_max", out);
        hx_buf_printf(out, "%g", h->cpu_max);
        put_end(json, out);
    }
    put_limit(json, "tasks_max", h->tasks_max, NULL, out);
}

static void show_handler(const struct hx_handler_config *h, const char *where, struct hx_buf *out) {
    hx_buf_puts(out, "handlers += {");
    put_text(false, "type", h->type, out);
    put_handler(false, h, out);
    hx_buf_printf(out, " }   # %s\n", where);
}

void hx_config_show(const struct hx_config *c, struct hx_buf *out) {
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_value *value = &c->values[key];
        const struct hx_row *row = &hx_table[key];
        hx_buf_printf(out, "%s = ", row->name);
        if (value->text || value->list)
            append_value((enum hx_key)key, value, out);
        else
            hx_buf_puts(out, "(unset)");
        hx_buf_printf(out, "   # %s", value->where);
        if (!value->text && !value->list && row->fallback_note)
            hx_buf_printf(out, ": %s", row->fallback_note);
        hx_buf_putc(out, '\n');
    }
    for (size_t i = 0; i < c->handler_count; i++)
        show_handler(&c->handlers[i], c->handler_where[i], out);
}

/* Any value as JSON writes it. */
static void append_json(const struct hx_config *c, enum hx_key key, struct hx_buf *out) {
    const struct hx_value *value = &c->values[key];
    if (!value->text && !value->list)
        hx_buf_puts(out, "null");
    else if (hx_table[key].type == HX_TYPE_BOOL)
        hx_buf_puts(out, value->number ? "true" : "false");
    else
        append_value(key, value, out);
}

void hx_config_show_json(const struct hx_config *c, struct hx_buf *out) {
    hx_buf_putc(out, '{');
    for (int key = 0; key < HX_KEYS; key++) {
        hx_buf_printf(out, "%s\"%s\":", key ? "," : "", hx_table[key].name);
        append_json(c, (enum hx_key)key, out);
    }
    hx_buf_puts(out, ",\"handlers\":[");
    for (size_t i = 0; i < c->handler_count; i++) {
        hx_buf_puts(out, i ? "," : "");
        append_quoted(c->handlers[i].type, out);
    }
    hx_buf_puts(out, "]}");
}

/* Without its quotes, where nothing in it needs them. */
static void append_bare(const char *value, struct hx_buf *out) {
    size_t n = strlen(value);
    bool plain = n > 2 && value[0] == '"' && strcspn(value + 1, " \"\\[]=") == n - 2;
    hx_buf_append(out, value + plain, plain ? n - 2 : n);
}

void hx_config_show_brief(const struct hx_config *c, struct hx_buf *out) {
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_value *value = &c->values[key];
        _cleanup_buf_ struct hx_buf text = { 0 };
        if (value->origin == HX_ORIGIN_DEFAULT || (!value->text && !value->list))
            continue;
        append_value((enum hx_key)key, value, &text);
        hx_buf_printf(out, "%s%s=", out->len ? " " : "", hx_table[key].name);
        append_bare(text.data, out);
    }
    for (size_t i = 0; i < c->handler_count; i++) {
        _cleanup_buf_ struct hx_buf type = { 0 };
        append_quoted(c->handlers[i].type, &type);
        hx_buf_puts(out, i ? ", " : out->len ? " handlers=[" : "handlers=[");
        append_bare(type.data, out);
    }
    hx_buf_puts(out, c->handler_count ? "]" : "");
}

/* ,"source":…} behind a value. */
static void append_source(const char *where, struct hx_buf *out) {
    hx_buf_puts(out, ",\"source\":");
    hx_buf_json_string(out, where, SIZE_MAX);
    hx_buf_putc(out, '}');
}

void hx_config_show_document(const struct hx_config *c, struct hx_buf *out) {
    hx_buf_putc(out, '{');
    for (int key = 0; key < HX_KEYS; key++) {
        hx_buf_printf(out, "\"%s\":{\"value\":", hx_table[key].name);
        append_json(c, (enum hx_key)key, out);
        append_source(c->values[key].where, out);
        hx_buf_putc(out, ',');
    }
    hx_buf_puts(out, "\"handlers\":[");
    for (size_t i = 0; i < c->handler_count; i++) {
        hx_buf_printf(out, "%s{\"value\":{\"type\":", i ? "," : "");
        append_quoted(c->handlers[i].type, out);
        put_handler(true, &c->handlers[i], out);
        hx_buf_putc(out, '}');
        append_source(c->handler_where[i], out);
    }
    hx_buf_puts(out, "]}\n");
}
