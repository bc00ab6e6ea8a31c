#include "lib/json/slice.h"

#include "lib/json/json.h"

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

/* A name may be written with escapes: {"r\u0065sult":1} is a result as well. */
static bool is_named(struct hx_slice key, const char *name) {
    if (!memchr(key.at, '\\', key.n))
        return key.n == strlen(name) + 2 && memcmp(key.at + 1, name, key.n - 2) == 0;
    _cleanup_json_ json_t *text = NULL;
    return hx_json_parse(key.at, key.n, &text, NULL) == 0 && hx_streq(json_string_value(text), name);
}

/* Where the value of the member starts, or NULL. */
static const char *find_member(const char *object, const char *end, const char *name) {
    struct hx_slice key, value;
    const char *p = skip_space(object, end);
    if (p == end || *p != '{')
        return NULL;
    /* p stands before a name: on the opening bracket, or on a comma */
    while (p < end && *p != '}') {
        p = skip_space(p + 1, end);
        if (p == end || *p != '"' || !hx_slice_value(&p, end, &key))
            return NULL;
        p = skip_space(p, end);
        if (p == end || *p++ != ':')
            return NULL;
        if (is_named(key, name))
            return p;
        if (!hx_slice_value(&p, end, &value))
            return NULL;
        p = skip_space(p, end);
    }
    return NULL;
}

bool hx_slice_member(const char *object, size_t n, const char *name, struct hx_slice *ret) {
    const char *p = find_member(object, object + n, name);
    return p && hx_slice_value(&p, object + n, ret);
}

bool hx_slice_names(const char *object, size_t n, const char *name) {
    return find_member(object, object + n, name);
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
