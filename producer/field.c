#include "producer/field.h"

#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "lib/json/json.h"

#include <stdio.h>
#include <string.h>

#define DAY (INT64_C(24) * 3600 * 1000)

enum { TYPE_MAX = 100 /* bytes: a record has no room for more */, LABEL_MAX = 255, ATTEMPTS_MAX = 1000000 };

const struct hx_uuid field_no_org = { { 0 } };

const char *field_type(const char *text) {
    static const char must[] = "1 to 100 bytes of printable text without spaces";
    size_t n = strlen(text);
    if (n < 1 || n > TYPE_MAX || !hx_utf8_valid(text, n))
        return must;
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return must;
    return NULL;
}

const char *field_org(const char *text, struct hx_uuid *ret) {
    return hx_uuid_parse(text, ret) < 0 ? "a UUID" : NULL;
}

/* As PostgreSQL counts the length of a varchar. */
static size_t count_characters(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

const char *field_label(const char *text) {
    size_t n = count_characters(text);
    return n >= 1 && n <= LABEL_MAX && hx_utf8_valid(text, strlen(text)) ? NULL : "1 to 255 characters of UTF-8 text";
}

const char *field_priority(const char *text, int32_t *ret) {
    int64_t value;
    if (hx_int_parse(text, INT32_MIN, INT32_MAX, &value) < 0)
        return "an integer, -2147483648 to 2147483647";
    *ret = (int32_t)value;
    return NULL;
}

const char *field_max_attempts(const char *text, int32_t *ret) {
    int64_t value;
    if (hx_int_parse(text, 1, ATTEMPTS_MAX, &value) < 0)
        return "an integer, 1 to 1000000";
    *ret = (int32_t)value;
    return NULL;
}

const char *field_timeout(const char *text, int64_t *ret_ms) {
    int64_t ms;
    if (hx_duration_parse(text, &ms) < 0 || ms < 1 || ms > 365 * DAY)
        return "a duration such as \"30s\", 1ms to 365d";
    *ret_ms = ms;
    return NULL;
}

const char *field_delay(const char *text, int64_t *ret_ms) {
    int64_t ms;
    if (hx_duration_parse(text, &ms) < 0 || ms > 36500 * DAY)
        return "a duration such as \"30s\", 0 to 36500d";
    *ret_ms = ms;
    return NULL;
}

const char *field_run_at(const char *text, int64_t *ret_us) {
    return hx_rfc3339_parse(text, ret_us) < 0 ? "an RFC 3339 time such as 2026-11-21T07:29:48Z" : NULL;
}

bool field_payload(const char *text, size_t n, size_t max, char why[static FIELD_WHY]) {
    struct hx_json_error error = { 0 };
    if (n > max) {
        char limit[HX_SIZE_SIZE];
        hx_size_format((int64_t)max, limit);
        snprintf(why, FIELD_WHY, "%zu bytes, over the limit of %s (jobs.max_payload)", n, limit);
        return false;
    }
    if (hx_json_check(text, n, &error) < 0) {
        snprintf(why, FIELD_WHY, "byte %zu: %s", error.position + 1, error.message);
        return false;
    }
    return true;
}

/* "00-" 32 hex digits "-" 16 hex digits "-" 2 hex digits; ids of zeros only are invalid. */
bool field_is_traceparent(const char *text) {
    static const char form[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (!text || strlen(text) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i]; i++) {
        bool right = form[i] == 'x' ? text[i] && strchr("0123456789abcdef", text[i]) : text[i] == form[i];
        if (!right)
            return false;
    }
    return strspn(text + 3, "0") < 32 && strspn(text + 36, "0") < 16;
}
