/* JSON of strangers: with and without a tree the verdict is the same, jansson accepts what is accepted, what it accepts and we don't
 * breaks a rule that is ours, and values survive being printed, compacted and sliced. */
#include "lib/json/slice.h"
#include "tests/fuzz/oracle.h"

/* Ours beyond jansson's. */
static bool stricter(const char *message) {
    static const char *const rules[] = { "nesting deeper", "number out of range", "more than 64 KiB" };
    for (size_t i = 0; i < HX_ARRAY_LEN(rules); i++)
        if (strstr(message, rules[i]))
            return true;
    return false;
}

static void check_refusal(const char *text, size_t n, const struct hx_json_error *error) {
    must(error->position <= n);
    must(*error->message && hx_utf8_valid(error->message, strlen(error->message)));
    must(!strpbrk(error->message, "\r\n"));
    _cleanup_json_ json_t *other = oracle_parse(text, n);
    must(!other || stricter(error->message));
}

static bool is_ascii(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text > 127)
            return false;
    return true;
}

static void check_members(const char *text, size_t n, const json_t *object) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        struct hx_slice slice;
        if (!is_ascii(name))
            continue; /* hx_slice_is_name knows no others */
        if (!hx_slice_member(text, n, name, &slice)) {
            fprintf(stderr, "member %s\n", name);
            must(false);
        }
        _cleanup_json_ json_t *part = NULL;
        struct hx_json_error error;
        must(hx_json_parse(slice.at, slice.n, &part, &error) == 0 && json_equal(part, value));
    }
}

static void check_value(const char *text, size_t n, const json_t *value) {
    _cleanup_json_ json_t *other = oracle_parse(text, n);
    must(other ? json_equal(value, other) : oracle_big_integer(text, n));

    struct hx_json_error error;
    _cleanup_free_ char *dump = hx_json_dump(value);
    _cleanup_json_ json_t *again = NULL;
    must(hx_json_parse(dump, strlen(dump), &again, &error) == 0 && json_equal(again, value));

    _cleanup_buf_ struct hx_buf compact = { 0 };
    _cleanup_json_ json_t *same = NULL;
    hx_slice_append_compact((struct hx_slice){ text, n }, &compact);
    must(compact.len <= n);
    must(hx_json_parse(compact.data, compact.len, &same, &error) == 0 && json_equal(same, value));

    const char *at = text;
    struct hx_slice whole;
    must(hx_slice_value(&at, text + n, &whole) && at <= text + n);
    if (json_is_object(value))
        check_members(text, n, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct hx_json_error error = { 0 }, checked = { 0 };
    _cleanup_json_ json_t *value = NULL;
    int r = hx_json_parse(text, size, &value, &error);
    must(hx_json_check(text, size, &checked) == r);
    must(hx_json_check(text, size, NULL) == r);
    must(hx_streq(error.message, checked.message) && error.position == checked.position);
    if (r < 0)
        check_refusal(text, size, &error);
    else
        check_value(text, size, value);
    return 0;
}
