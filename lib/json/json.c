#include "lib/json/scan.h"

#include <errno.h>
#include <stdlib.h>

static int scan(const char *text, size_t n, bool build, json_t **ret, struct hx_json_error *reterr) {
    struct hx_json_scan s = { .text = text, .n = n, .build = build, .error = reterr };
    _cleanup_json_ json_t *value = NULL;
    int r = hx_json_scan_value(&s, &value);
    if (r >= 0) {
        hx_json_scan_space(&s);
        if (s.at < n)
            r = hx_json_scan_fail(&s, s.at, "more text behind the value");
    }
    free(s.keys);
    hx_buf_reset(&s.unescaped);
    hx_buf_reset(&s.string);
    if (r >= 0 && build)
        *ret = HX_TAKE(value);
    return r < 0 ? r : 0;
}

int hx_json_parse(const char *text, size_t n, json_t **ret, struct hx_json_error *reterr) {
    return scan(text, n, true, ret, reterr);
}

int hx_json_check(const char *text, size_t n, struct hx_json_error *reterr) {
    return scan(text, n, false, NULL, reterr);
}

int hx_json_get_string(const json_t *object, const char *key, const char **ret) {
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return -EINVAL;
    *ret = json_string_value(value);
    return 1;
}

int hx_json_get_int(const json_t *object, const char *key, json_int_t *ret) {
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_integer(value))
        return -EINVAL;
    *ret = json_integer_value(value);
    return 1;
}

int hx_json_get_bool(const json_t *object, const char *key, bool *ret) {
    const json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return -EINVAL;
    *ret = json_is_true(value);
    return 1;
}

char *hx_json_dump(const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        abort(); /* only without memory: what we hold was checked when it came in */
    return text;
}
