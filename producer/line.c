/* Only the outermost object is taken apart here; its values go, as slices of the line, to whoever knows the rules of that member.
 * So a payload is checked once, and never built or printed again. */
#include "producer/line.h"

#include "common/text.h"
#include "lib/json/json.h"
#include "producer/field.h"
#include "lib/json/slice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum member { TYPE, PAYLOAD, ORG_ID, PRIORITY, KEY, REQUESTED_BY, RUN_AT, MAX_ATTEMPTS, TIMEOUT, MEMBERS };

static const char *const names[] = {
    [TYPE] = "type",         [PAYLOAD] = "payload",           [ORG_ID] = "org_id",
    [PRIORITY] = "priority", [KEY] = "idempotency_key",       [REQUESTED_BY] = "requested_by",
    [RUN_AT] = "run_at",     [MAX_ATTEMPTS] = "max_attempts", [TIMEOUT] = "timeout",
};
_Static_assert(HX_ARRAY_LEN(names) == MEMBERS, "each member has a name");

struct scan {
    const char *text, *at, *end;
    size_t max_payload;
    struct arena *arena;
    struct hx_new_job *job;
    unsigned seen; /* bit per member */
    char *why;
};

static int fail(struct scan *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct scan *s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->why, LINE_WHY, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* The checker of whole values finds the words for what is wrong. */
static int fail_syntax(struct scan *s) {
    struct hx_json_error error = { 0 };
    if (hx_json_check(s->text, (size_t)(s->end - s->text), &error) < 0)
        return fail(s, "not JSON: byte %zu: %s", error.position + 1, error.message);
    return fail(s, "must be a JSON object");
}

static void skip_space(struct scan *s) {
    while (s->at < s->end && hx_slice_is_space(*s->at))
        s->at++;
}

/* True if the next character is c, which is then passed. */
static bool pass(struct scan *s, char c) {
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* ---- values ---- */

static bool has_controls(struct hx_slice v) {
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.at[i] < ' ')
            return true;
    return false;
}

/* A string with its escapes resolved, in the arena; NULL and why if it is none. */
static const char *read_string(struct scan *s, const char *name, struct hx_slice v) {
    if (v.at[0] != '"') {
        fail(s, "%s: must be a string", name);
        return NULL;
    }
    if (!memchr(v.at, '\\', v.n) && !has_controls(v) && hx_utf8_valid(v.at, v.n))
        return arena_copy(s->arena, v.at + 1, v.n - 2);
    struct hx_json_error error = { 0 };
    _cleanup_json_ json_t *value = NULL;
    if (hx_json_parse(v.at, v.n, &value, &error) < 0) {
        fail(s, "%s: %s", name, error.message);
        return NULL;
    }
    return arena_copy(s->arena, json_string_value(value), json_string_length(value));
}

/* The digits of a JSON integer, for the parsers of numbers; what is no integer becomes a text that they refuse. */
static const char *read_integer(struct hx_slice v, char out[static 32]) {
    size_t first = v.at[0] == '-', n = v.n < 32 ? v.n : 0;
    for (size_t i = first; i < n; i++)
        if (v.at[i] < '0' || v.at[i] > '9')
            n = 0;
    if (n > first + 1 && v.at[first] == '0')
        n = 0;
    memcpy(out, v.at, n);
    out[n] = '\0';
    return out;
}

static int take_payload(struct scan *s, struct hx_slice v) {
    char why[FIELD_WHY];
    if (!field_payload(v.at, v.n, s->max_payload, why))
        return fail(s, "payload: %s", why);
    s->job->payload = arena_copy(s->arena, v.at, v.n);
    s->job->payload_len = v.n;
    return 0;
}

static int take_member(struct scan *s, enum member m, struct hx_slice v) {
    if (m != TYPE && hx_slice_is_null(v))
        return 0; /* not given */
    if (m == PAYLOAD)
        return take_payload(s, v);
    char digits[32];
    bool number = m == PRIORITY || m == MAX_ATTEMPTS;
    const char *text = number ? read_integer(v, digits) : read_string(s, names[m], v), *must = NULL;
    if (!text)
        return -EINVAL;
    switch (m) {
    case TYPE: must = field_type(s->job->type = text); break;
    case ORG_ID: must = field_org(text, &s->job->org_id); break;
    case PRIORITY: must = field_priority(text, &s->job->priority); break;
    case KEY: must = field_label(s->job->key = text); break;
    case REQUESTED_BY: must = field_label(s->job->requested_by = text); break;
    case RUN_AT: must = field_run_at(text, &s->job->run_at); break;
    case MAX_ATTEMPTS: must = field_max_attempts(text, &s->job->max_attempts); break;
    case TIMEOUT: must = field_timeout(text, &s->job->timeout_ms); break;
    case PAYLOAD:
    case MEMBERS: break;
    }
    return must ? fail(s, "%s: must be %s", names[m], must) : 0;
}

/* ---- members ---- */

static int fail_unknown(struct scan *s, const char *name) {
    unsigned least = 4; /* further away than that nothing is meant */
    const char *nearest = NULL;
    char known[64];
    hx_strcopy(known, sizeof(known), name);
    for (size_t m = 0; m < MEMBERS; m++) {
        unsigned distance = hx_edit_distance(known, names[m]);
        if (distance < least) {
            least = distance;
            nearest = names[m];
        }
    }
    _cleanup_buf_ struct hx_buf quoted = { 0 };
    hx_buf_json_string(&quoted, known, SIZE_MAX); /* a name may hold a newline; what is said of it is one line */
    if (nearest)
        return fail(s, "unknown key %s, did you mean \"%s\"?", quoted.data, nearest);
    return fail(s, "unknown key %s", quoted.data);
}

/* The member of that name (with its quotes), MEMBERS if there is none. */
static enum member find_member(struct hx_slice name) {
    for (enum member m = 0; m < MEMBERS; m++)
        if (strlen(names[m]) == name.n - 2 && memcmp(names[m], name.at + 1, name.n - 2) == 0)
            return m;
    return MEMBERS;
}

/* As it was found, or written with escapes. */
static int name_to_member(struct scan *s, struct hx_slice name, enum member *ret) {
    *ret = find_member(name);
    if (*ret != MEMBERS)
        return 0;
    const char *text = read_string(s, "key", name);
    if (!text)
        return -EINVAL;
    for (enum member m = 0; m < MEMBERS; m++)
        if (hx_streq(text, names[m]))
            *ret = m;
    return *ret == MEMBERS ? fail_unknown(s, text) : 0;
}

static int parse_member(struct scan *s) {
    struct hx_slice name, value;
    enum member m;
    skip_space(s);
    if (s->at == s->end || *s->at != '"' || !hx_slice_value(&s->at, s->end, &name))
        return fail_syntax(s);
    int r = name_to_member(s, name, &m);
    if (r < 0)
        return r;
    if (!pass(s, ':') || !hx_slice_value(&s->at, s->end, &value))
        return fail_syntax(s);
    if (s->seen & 1u << m)
        return fail(s, "duplicate key \"%s\"", names[m]);
    s->seen |= 1u << m;
    return take_member(s, m, value);
}

static int parse_object(struct scan *s) {
    if (!pass(s, '{'))
        return fail_syntax(s);
    if (!pass(s, '}')) {
        do {
            int r = parse_member(s);
            if (r < 0)
                return r;
        } while (pass(s, ','));
        if (!pass(s, '}'))
            return fail_syntax(s);
    }
    skip_space(s);
    if (s->at < s->end)
        return fail(s, "not JSON: byte %zu: more text behind the object", (size_t)(s->at - s->text) + 1);
    return s->seen & 1u << TYPE ? 0 : fail(s, "type: missing");
}

bool line_is_blank(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!hx_slice_is_space(text[i]))
            return false;
    return true;
}

int line_parse(const char *text, size_t n, size_t max_payload, struct arena *arena, struct hx_new_job *ret,
               char why[static LINE_WHY]) {
    struct scan s = {
        .text = text, .at = text, .end = text + n, .max_payload = max_payload, .arena = arena, .job = ret, .why = why
    };
    *ret = (struct hx_new_job){
        .org_id = field_no_org, .max_attempts = INT32_MIN, .timeout_ms = INT64_MIN, .run_at = HX_NO_TIME
    };
    return parse_object(&s);
}
