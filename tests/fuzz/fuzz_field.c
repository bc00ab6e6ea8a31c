/* Values of a job as flags give them: what is accepted is in range and of the form that PostgreSQL takes. */
#include "producer/field.h"

#include "tests/fuzz/fuzz.h"

/* Characters of valid UTF-8. */
static size_t length(const char *text) {
    size_t n = 0;
    for (const char *c = text; *c; c++)
        n += ((unsigned char)*c & 0xc0) != 0x80;
    return n;
}

static void check_text(const char *text) {
    if (!field_type(text))
        must(*text && strlen(text) <= 100 && hx_utf8_valid(text, strlen(text)) && !strpbrk(text, " \t\r\n"));
    if (!field_label(text))
        must(*text && hx_utf8_valid(text, strlen(text)) && length(text) <= 255);
    if (field_is_traceparent(text))
        must(strlen(text) == 55 && !strspn(text, "fF"));
}

static void check_numbers(const char *text) {
    int32_t n = -7;
    int64_t ms = -7;
    if (field_priority(text, &n))
        must(n == -7);
    n = -7;
    must(field_max_attempts(text, &n) ? n == -7 : n >= 1 && n <= 1000000);
    must(field_timeout(text, &ms) ? ms == -7 : ms >= 1 && ms <= INT64_C(365) * 86400000);
    ms = -7;
    must(field_delay(text, &ms) ? ms == -7 : ms >= 0 && ms <= INT64_C(36500) * 86400000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_free_ char *text = fuzz_text(data, size);
    struct hx_uuid org;
    int64_t us;
    char why[FIELD_WHY] = "";
    check_text(text);
    check_numbers(text);
    field_org(text, &org);
    field_run_at(text, &us);
    must(field_payload((const char *)data, size, 64, why) || *why);
    return 0;
}
