#include "lib/config/state.h"

#include "common/redact.h"
#include "common/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define PROPERTY_NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* Finds text among choices with single spaces between. Its index, or -1. */
static int64_t choice_index(const char *choices, const char *text) {
    size_t n = strlen(text);
    if (n == 0 || strchr(text, ' '))
        return -1;
    int64_t index = 0;
    for (const char *p = choices; p; index++) {
        const char *end = strchr(p, ' ');
        size_t length = end ? (size_t)(end - p) : strlen(p);
        if (length == n && memcmp(p, text, n) == 0)
            return index;
        p = end ? end + 1 : NULL;
    }
    return -1;
}

static int64_t read_bool(const char *text) {
    static const char *const words[] = { "off", "on", "false", "true", "no", "yes", "0", "1" };
    for (size_t i = 0; i < HX_ARRAY_LEN(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return (int64_t)(i & 1);
    return -1;
}

/* "5432", or "5432,5433": every part must be a port; the number is the first. */
static bool read_ports(const struct hx_row *row, const char *text, int64_t *ret) {
    _cleanup_free_ char *copy = hx_strdup(text);
    bool first = true;
    for (char *at = copy, *next; at; at = next, first = false) {
        next = strchr(at, ',');
        if (next)
            *next++ = '\0';
        int64_t port;
        if (hx_int_parse(at, row->min, row->max, &port) < 0)
            return false;
        if (first)
            *ret = port;
    }
    return true;
}

static bool read_string(const struct hx_row *row, const char *text) {
    size_t n = strlen(text);
    if (!hx_utf8_valid(text, n))
        return false;
    for (const char *p = text; *p && !row->secret; p++)
        if (iscntrl((unsigned char)*p))
            return false;
    return row->max == 0 || ((int64_t)n >= row->min && (int64_t)n <= row->max);
}

static bool in_range(const struct hx_row *row, int64_t number) {
    return (row->min == 0 && row->max == 0) || (number >= row->min && number <= row->max);
}

/* The value of text, and its canonical form where that differs (the caller frees). False: not a value of this row. */
static bool read_text(const struct hx_row *row, const char *text, int64_t *ret_number, char **ret_canonical) {
    char buffer[HX_DURATION_SIZE];
    int64_t number = 0;
    switch (row->type) {
    case HX_TYPE_STRING: return read_string(row, text);
    case HX_TYPE_PORT: return read_ports(row, text, ret_number);
    case HX_TYPE_ENUM:
        number = choice_index(row->choices, text);
        *ret_number = number;
        return number >= 0;
    case HX_TYPE_BOOL:
        number = read_bool(text);
        *ret_number = number;
        *ret_canonical = number < 0 ? NULL : hx_strdup(number ? "on" : "off");
        return number >= 0;
    case HX_TYPE_INT:
        if (hx_int_parse(text, row->min, row->max, &number) < 0)
            return false;
        *ret_number = number;
        *ret_canonical = hx_printf("%" PRId64, number);
        return true;
    case HX_TYPE_DURATION:
        if (hx_duration_parse(text, &number) < 0 || !in_range(row, number))
            return false;
        hx_duration_format(number, buffer);
        break;
    case HX_TYPE_SIZE:
        if (hx_size_parse(text, &number) < 0 || !in_range(row, number))
            return false;
        hx_size_format(number, buffer);
        break;
    case HX_TYPE_LIST: return false; /* hx_value_set splits it */
    }
    *ret_number = number;
    *ret_canonical = hx_strdup(buffer);
    return true;
}

/* A value for an error message, in which names and passwords may stand that no scheme announces: "user:password@host". What stands
 * before the last '@' of each part between commas is masked, before the whole is cut: half a password is known to nobody. */
static char *without_users(const char *got) {
    _cleanup_buf_ struct hx_buf masked = { 0 };
    for (const char *part = got, *end; part; part = *end ? end + 1 : NULL) {
        end = strchrnul(part, ',');
        const char *at = memrchr(part, '@', (size_t)(end - part)), *scheme = strstr(part, "://");
        size_t plain = at && scheme && scheme < at ? (size_t)(scheme + 3 - part) : 0;
        hx_buf_puts(&masked, part == got ? "" : ",");
        hx_buf_append(&masked, part, plain);
        hx_buf_puts(&masked, at ? "***" : "");
        hx_buf_append(&masked, at ? at : part, (size_t)(end - (at ? at : part)));
    }
    return hx_redacted(masked.data ? masked.data : "");
}

int hx_value_fail(enum hx_key key, const char *got, const char *must, const char *where, struct hx_config_error *e) {
    const struct hx_row *row = &hx_table[key];
    _cleanup_free_ char *shown = row->secret ? hx_strdup("***") : without_users(got);
    return hx_config_fail(e, -EINVAL, "%s: %s%sInvalid %s: %.120s (must be %s)", where, row->label ? row->name : "",
                          row->label ? ": " : "", row->label ? row->label : row->name, shown, must);
}

/* must: in words, or NULL for what the row says. */
static int fail_invalid(enum hx_key key, const char *text, const char *must, const char *where,
                        struct hx_config_error *e) {
    _cleanup_buf_ struct hx_buf expects = { 0 };
    hx_table_expects(&hx_table[key], &expects);
    return hx_value_fail(key, text, must ? must : expects.data, where, e);
}

void hx_value_redact_url(const char *url) {
    const char *start = strstr(url, "://");
    if (!start)
        return;
    start += 3;
    size_t authority = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', authority);
    const char *colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
    if (!colon)
        return;
    _cleanup_free_ char *password = hx_strndup(colon + 1, (size_t)(at - colon - 1));
    hx_redact_secret(password);
}

bool hx_value_secret_property(const char *property) {
    static const char *const marks[] = { "password", "secret", "token", "key.pem", "oauthbearer.config" };
    size_t n = strcspn(property, "=");
    _cleanup_free_ char *name = hx_strndup(property, n);
    for (size_t i = 0; i < HX_ARRAY_LEN(marks); i++)
        if (strstr(name, marks[i]) && !hx_streq(name, "sasl.oauthbearer.token.endpoint.url"))
            return true;
    return false;
}

/* An element of a list from text: commas, semicolons and line breaks separate only before "name=", so that values
 * may hold commas. Returns the element's end. */
static const char *element_end(const char *text) {
    for (const char *p = text; *p; p++) {
        if (!strchr(",;\n", *p))
            continue;
        const char *name = p + 1 + strspn(p + 1, " \t\r\n");
        size_t n = strspn(name, PROPERTY_NAME);
        if (*name == '\0' || (n > 0 && name[n] == '='))
            return p;
    }
    return text + strlen(text);
}

static int set_list_text(struct hx_config *c, enum hx_key key, const char *text, enum hx_origin origin,
                         const char *where, struct hx_config_error *e) {
    const char **items = NULL;
    size_t n = 0;
    text += strspn(text, " \t\r\n");
    while (*text) {
        const char *end = element_end(text), *last = end;
        while (last > text && isspace((unsigned char)last[-1]))
            last--;
        items = hx_config_grow(c, items, n, sizeof *items);
        items[n++] = hx_config_own(c, hx_strndup(text, (size_t)(last - text)));
        text = *end ? end + 1 : end;
        text += strspn(text, " \t\r\n");
    }
    return hx_value_set_list(c, key, items, NULL, n, origin, where, e);
}

/* What should be a property may be a secret: only its name is shown. */
static int fail_element(enum hx_key key, const char *element, const char *must, const char *where,
                        struct hx_config_error *e) {
    size_t n = strspn(element, PROPERTY_NAME);
    _cleanup_free_ char *name = hx_printf("%.*s%s", (int)n, element, element[n] ? "***" : "");
    return hx_value_fail(key, name, must, where, e);
}

int hx_value_set_list(struct hx_config *c, enum hx_key key, const char *const *items, const char *const *wheres,
                      size_t n, enum hx_origin origin, const char *where, struct hx_config_error *e) {
    const struct hx_row *row = &hx_table[key];
    struct hx_value value = { .list = hx_config_own(c, hx_allocn(n + 1, sizeof *value.list)),
                              .wheres = hx_config_own(c, hx_allocn(n + 1, sizeof *value.wheres)),
                              .count = n,
                              .number = (int64_t)n,
                              .origin = origin,
                              .where = hx_config_copy(c, where) };
    for (size_t i = 0; i < n; i++) {
        value.list[i] = hx_config_copy(c, items[i]);
        value.wheres[i] = wheres ? hx_config_copy(c, wheres[i]) : value.where;
        const char *must = row->check ? row->check(items[i]) : NULL;
        if (must || !read_string(row, items[i]))
            return fail_element(key, items[i], must ? must : "text without control characters", value.wheres[i], e);
        if (hx_value_secret_property(items[i]))
            hx_redact_secret(strchr(items[i], '=') + 1);
    }
    c->values[key] = value;
    return 0;
}

int hx_value_set(struct hx_config *c, enum hx_key key, const char *text, enum hx_origin origin, const char *where,
                 struct hx_config_error *e) {
    const struct hx_row *row = &hx_table[key];
    if (row->type == HX_TYPE_LIST)
        return set_list_text(c, key, text, origin, where, e);
    struct hx_value value = { .origin = origin, .where = hx_config_copy(c, where) };
    if (*text == '\0' && !row->fallback && !row->computed) { /* an empty string unsets what has no default */
        c->values[key] = value;
        return 0;
    }
    _cleanup_free_ char *canonical = NULL;
    if (row->secret)
        hx_redact_secret(text);
    hx_value_redact_url(text);
    if (!read_text(row, text, &value.number, &canonical))
        return fail_invalid(key, text, NULL, where, e);
    value.text = hx_config_copy(c, canonical ? canonical : text);
    const char *must = row->check ? row->check(value.text) : NULL;
    if (must)
        return fail_invalid(key, text, must, where, e);
    c->values[key] = value;
    return 0;
}
