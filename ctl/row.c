#include "ctl/row.h"

#include "common/clock.h"
#include "lib/ledger/ledger.h"

#include <string.h>

enum { NUMBER_MAX = 17 };

static bool in_number(char c) {
    return c && strchr("0123456789+-.eE", c);
}

/* PostgreSQL's numbers have no limits, C's have: the long ones become strings of their digits. */
static void quote_long_numbers(const char *text, struct hx_buf *out) {
    bool quoted = false;
    for (const char *c = text; *c; c++) {
        size_t n = 0;
        while (!quoted && (*c == '-' || (*c >= '0' && *c <= '9')) && in_number(c[n]))
            n++;
        if (n) {
            const char *quote = n > NUMBER_MAX ? "\"" : "";
            hx_buf_printf(out, "%s%.*s%s", quote, (int)n, c, quote);
            c += n - 1;
            continue;
        }
        if (*c == '"')
            quoted = !quoted;
        if (*c == '\\' && c[1])
            hx_buf_putc(out, *c++);
        hx_buf_putc(out, *c);
    }
}

json_t *row_parse(const char *text) {
    json_t *row = json_loads(text, JSON_DECODE_ANY, NULL);
    if (row)
        return row;
    _cleanup_buf_ struct hx_buf tamed = { 0 };
    quote_long_numbers(text, &tamed);
    return json_loads(tamed.data ? tamed.data : "", JSON_DECODE_ANY, NULL);
}

const char *row_string(const json_t *row, const char *key) {
    return json_string_value(json_object_get(row, key));
}

double row_number(const json_t *row, const char *key) {
    return json_number_value(json_object_get(row, key));
}

int64_t row_int(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    return json_is_integer(value) ? json_integer_value(value) : (int64_t)json_number_value(value);
}

bool row_bool(const json_t *row, const char *key) {
    return json_is_true(json_object_get(row, key));
}

int64_t row_time(const json_t *row, const char *key) {
    const char *text = row_string(row, key);
    int64_t us;
    return text && hx_rfc3339_parse(text, &us) == 0 ? us : HX_NO_TIME;
}

void row_clip(struct hx_buf *out, const json_t *value, size_t max) {
    _cleanup_free_ char *text = json_is_string(value) ? hx_strdup(json_string_value(value)) : hx_json_dump(value);
    if (strlen(text) <= max) {
        hx_buf_puts(out, text);
        return;
    }
    _cleanup_free_ char *clipped = hx_alloc(max + 1);
    hx_strcopy(clipped, max + 1, text);
    hx_buf_printf(out, "%s...", clipped);
}
