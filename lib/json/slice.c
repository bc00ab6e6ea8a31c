#include "lib/json/slice.h"

#include "lib/json/plain.h"

#include <string.h>

bool hx_slice_is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool hx_slice_is_null(struct hx_slice value) {
    return value.n == 4 && memcmp(value.at, "null", 4) == 0;
}

static const char *skip_space(const char *p, const char *end) {
    while (p < end && hx_slice_is_space(*p))
        p++;
    return p;
}

/* p stands on the opening quote. Behind the closing one, or NULL. */
static const char *string_end(const char *p, const char *end) {
    for (p++; p < end; p++) {
        p += hx_json_plain(p, (size_t)(end - p));
        if (p == end)
            break;
        if (*p == '"')
            return p + 1;
        if (*p == '\\' && ++p == end)
            break;
    }
    return NULL;
}

/* p stands on a bracket. Behind its counterpart, or NULL. */
static const char *nest_end(const char *p, const char *end) {
    size_t depth = 0;
    while (p && p < end) {
        if (*p == '"') {
            p = string_end(p, end);
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        else if ((*p == '}' || *p == ']') && --depth == 0)
            return p + 1;
        p++;
    }
    return NULL;
}

/* Numbers and words end where they can't go on. */
static const char *word_end(const char *p, const char *end) {
    while (p < end && !hx_slice_is_space(*p) && *p != ',' && *p != '}' && *p != ']')
        p++;
    return p;
}

bool hx_slice_value(const char **at, const char *end, struct hx_slice *ret) {
    const char *start = skip_space(*at, end), *after;
    if (start == end)
        return false;
    if (*start == '"')
        after = string_end(start, end);
    else if (*start == '{' || *start == '[')
        after = nest_end(start, end);
    else
        after = word_end(start, end);
    if (!after || after == start)
        return false;
    *at = after;
    *ret = (struct hx_slice){ start, (size_t)(after - start) };
    return true;
}

/* The ASCII character at *p, which moves behind it, written as itself or with an escape; -1 for any other. */
static int take_char(const char **p, const char *end) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t", digits[] = "0123456789abcdef";
    const char *at = *p, *found;
    *p = at + 1;
    if (*at != '\\')
        return *at;
    *p = HX_MIN(at + 2, end);
    found = end - at > 1 && at[1] ? strchr(names, at[1]) : NULL;
    if (found)
        return values[found - names];
    if (end - at < 6 || at[1] != 'u')
        return -1;
    *p = at + 6;
    int unit = 0;
    for (int i = 2; i < 6; i++) {
        found = at[i] ? strchr(digits, at[i] | 0x20) : NULL;
        if (!found || unit > 7)
            return -1;
        unit = unit * 16 + (int)(found - digits);
    }
    return unit;
}

bool hx_slice_is_name(struct hx_slice slice, const char *name) {
    if (slice.n < 2)
        return false;
    const char *p = slice.at + 1, *end = slice.at + slice.n - 1;
    for (; *name && p < end; name++)
        if (take_char(&p, end) != *name)
            return false;
    return !*name && p == end;
}

/* *at is moved onto the comma or the bracket behind the member. */
bool hx_slice_next(const char **at, const char *end, struct hx_slice *ret_name, struct hx_slice *ret_value) {
    const char *p = skip_space(*at, end);
    if (p == end || (*p != '{' && *p != ','))
        return false;
    p = skip_space(p + 1, end);
    if (p == end || *p != '"' || !hx_slice_value(&p, end, ret_name))
        return false;
    p = skip_space(p, end);
    if (p == end || *p++ != ':')
        return false;
    *ret_value = (struct hx_slice){ 0 };
    hx_slice_value(&p, end, ret_value);
    *at = ret_value->n ? p : end;
    return true;
}

bool hx_slice_member(const char *object, size_t n, const char *name, struct hx_slice *ret) {
    struct hx_slice key, value;
    const char *p = object;
    while (hx_slice_next(&p, object + n, &key, &value)) {
        if (!hx_slice_is_name(key, name))
            continue;
        *ret = value;
        return value.n > 0;
    }
    return false;
}

void hx_slice_append_compact(struct hx_slice value, struct hx_buf *out) {
    const char *p = value.at, *end = value.at + value.n;
    while (p < end) {
        const char *start = p;
        if (*p == '"')
            p = string_end(p, end);
        else
            while (p < end && *p != '"' && !hx_slice_is_space(*p))
                p++;
        if (!p)
            p = end;
        hx_buf_append(out, start, (size_t)(p - start));
        p = skip_space(p, end);
    }
}
