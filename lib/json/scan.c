#include "lib/json/scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int hx_json_scan_fail(struct hx_json_scan *s, size_t position, const char *fmt, ...) {
    if (!s->error)
        return -EINVAL;
    _cleanup_buf_ struct hx_buf message = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&message, fmt, ap);
    va_end(ap);
    hx_strcopy(s->error->message, sizeof s->error->message, message.data);
    s->error->position = position;
    return -EINVAL;
}

void hx_json_scan_space(struct hx_json_scan *s) {
    while (s->at < s->n) {
        char c = s->text[s->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        s->at++;
    }
}

static char peek(const struct hx_json_scan *s) {
    return s->at < s->n ? s->text[s->at] : '\0';
}

/* What stands there instead, in words. */
static int fail_expected(struct hx_json_scan *s, const char *what) {
    if (s->at >= s->n)
        return hx_json_scan_fail(s, s->at, "text ends where %s is expected", what);
    unsigned char c = (unsigned char)s->text[s->at];
    if (c > ' ' && c < 0x7f)
        return hx_json_scan_fail(s, s->at, "'%c' where %s is expected", c, what);
    return hx_json_scan_fail(s, s->at, "byte 0x%02x where %s is expected", c, what);
}

static int scan_word(struct hx_json_scan *s, const char *word, json_t *value, json_t **ret) {
    size_t length = strlen(word);
    if (s->n - s->at < length || memcmp(s->text + s->at, word, length) != 0)
        return fail_expected(s, "a value");
    s->at += length;
    *ret = s->build ? value : NULL; /* these three are not counted */
    return 0;
}

static int enter(struct hx_json_scan *s) {
    if (s->depth >= HX_JSON_DEPTH)
        return hx_json_scan_fail(s, s->at, "nesting deeper than %d", HX_JSON_DEPTH);
    s->depth++;
    s->at++;
    return 0;
}

/* Behind an element: 1 after a comma, 0 after the closing bracket. */
static int scan_separator(struct hx_json_scan *s, char close) {
    hx_json_scan_space(s);
    char c = peek(s);
    if (c != ',' && c != close)
        return fail_expected(s, close == ']' ? "',' or ']'" : "',' or '}'");
    s->at++;
    return c == ',';
}

static int scan_array(struct hx_json_scan *s, json_t **ret) {
    _cleanup_json_ json_t *array = s->build ? json_array() : NULL;
    int r = enter(s);
    if (r < 0)
        return r;
    hx_json_scan_space(s);
    if (peek(s) == ']') {
        s->at++;
    } else {
        do {
            json_t *element = NULL;
            r = hx_json_scan_value(s, &element);
            if (r < 0)
                return r;
            if (array)
                json_array_append_new(array, element);
            r = scan_separator(s, ']');
            if (r < 0)
                return r;
        } while (r > 0);
    }
    s->depth--;
    *ret = HX_TAKE(array);
    return 0;
}

static int scan_member(struct hx_json_scan *s, json_t *object) {
    hx_json_scan_space(s);
    if (peek(s) != '"')
        return fail_expected(s, "a member name");
    struct hx_json_string key;
    int r = hx_json_scan_string(s, &key);
    if (r < 0)
        return r;
    hx_json_keys_add(s, &key);
    /* The name must outlive the value's own strings. */
    _cleanup_free_ char *name = object ? hx_strndup(key.data, key.length) : NULL;
    hx_json_scan_space(s);
    if (peek(s) != ':')
        return fail_expected(s, "':'");
    s->at++;
    json_t *value = NULL;
    r = hx_json_scan_value(s, &value);
    if (r < 0)
        return r;
    if (object)
        json_object_set_new_nocheck(object, name, value);
    return 0;
}

static int scan_object(struct hx_json_scan *s, json_t **ret) {
    _cleanup_json_ json_t *object = s->build ? json_object() : NULL;
    size_t first = s->key_count, first_unescaped = s->unescaped.len;
    int r = enter(s);
    if (r < 0)
        return r;
    hx_json_scan_space(s);
    if (peek(s) == '}') {
        s->at++;
    } else {
        do {
            r = scan_member(s, object);
            if (r < 0)
                return r;
            r = scan_separator(s, '}');
            if (r < 0)
                return r;
        } while (r > 0);
        r = hx_json_keys_close(s, first, first_unescaped);
        if (r < 0)
            return r;
    }
    s->depth--;
    *ret = HX_TAKE(object);
    return 0;
}

int hx_json_scan_value(struct hx_json_scan *s, json_t **ret) {
    hx_json_scan_space(s);
    char c = peek(s);
    if (c == '{')
        return scan_object(s, ret);
    if (c == '[')
        return scan_array(s, ret);
    if (c == '"') {
        struct hx_json_string string;
        int r = hx_json_scan_string(s, &string);
        if (r < 0)
            return r;
        *ret = s->build ? json_stringn_nocheck(string.data, string.length) : NULL;
        return 0;
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return hx_json_scan_number(s, ret);
    if (c == 't')
        return scan_word(s, "true", json_true(), ret);
    if (c == 'f')
        return scan_word(s, "false", json_false(), ret);
    if (c == 'n')
        return scan_word(s, "null", json_null(), ret);
    return fail_expected(s, "a value");
}
