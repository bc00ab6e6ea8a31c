#include "ctl/row.h"

#include "common/clock.h"
#include "lib/ledger/ledger.h"

#include <string.h>

json_t *row_parse(const char *text) {
    json_t *row = json_loads(text, JSON_DECODE_ANY, NULL);
    return row ? row : json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL); /* integers over 64 bits */
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
