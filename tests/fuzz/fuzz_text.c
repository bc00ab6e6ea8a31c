/* Text of anybody's bytes as a JSON string, which logs and answers are made of; and UTF-8, against jansson. */
#include "common/text.h"

#include "tests/fuzz/oracle.h"

static bool utf8_by_jansson(const char *text, size_t n) {
    _cleanup_json_ json_t *string = json_stringn(text, n);
    return string != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    bool valid = hx_utf8_valid(text, size);
    must(valid == utf8_by_jansson(text, size));

    _cleanup_buf_ struct hx_buf quoted = { 0 };
    hx_buf_json_string(&quoted, text, size);
    _cleanup_json_ json_t *read = json_loadb(quoted.data, quoted.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    must(json_is_string(read));
    must(!valid || (json_string_length(read) == size && memcmp(json_string_value(read), text, size) == 0));

    _cleanup_free_ char *whole = fuzz_text(data, size);
    char cut[8];
    hx_strcopy(cut, sizeof cut, whole);
    must(strlen(cut) < sizeof cut && hx_startswith(whole, cut));
    must(!hx_utf8_valid(whole, strlen(whole)) || hx_utf8_valid(cut, strlen(cut)));
    return 0;
}
