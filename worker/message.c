#include "worker/message.h"

#include "common/units.h"
#include "lib/json/json.h"
#include "lib/json/slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A line this long was cut by whoever read it. */
enum { CUT = 1000000 };

/* A hundred years: beyond it lies what PostgreSQL's timestamps can't hold. */
#define LONGEST_MS (INT64_C(36500) * 24 * 60 * 60 * 1000)

/* Where it is may be lost; from RESULT on, what it comes to may not. */
enum { STAGE, PROGRESS, RESULT, ERROR, SNOOZE, CANCEL, MEMBERS };
static const char *const names[MEMBERS] = { "stage", "progress", "result", "error", "snooze", "cancel" };

/* What stands behind a name; n is 0 where that is broken or cut off. */
struct members {
    struct hx_slice v[MEMBERS];
    bool named[MEMBERS];
};

static int wrong(int code, char *why, size_t size, const char *text) {
    hx_strcopy(why, size, text);
    return code;
}

/* One pass that builds nothing: a line may have a hundred thousand others, and the loop waits. */
static void find(const char *line, size_t n, struct members *ret) {
    struct hx_slice name, value;
    *ret = (struct members){ 0 };
    for (const char *p = line; hx_slice_next(&p, line + n, &name, &value);)
        for (size_t i = 0; i < MEMBERS; i++)
            if (hx_slice_is_name(name, names[i])) {
                ret->v[i] = value;
                ret->named[i] = true;
            }
}

static bool any_named(const struct members *m, size_t from) {
    for (size_t i = from; i < MEMBERS; i++)
        if (m->named[i])
            return true;
    return false;
}

/* What reads a member takes a slice of JSON that was checked. Absent is fine, another type isn't. */
static bool take_string(struct hx_slice value, char **ret) {
    _cleanup_json_ json_t *string = NULL;
    if (!value.n)
        return true;
    if (value.at[0] != '"' || hx_json_parse(value.at, value.n, &string, NULL) < 0)
        return false;
    *ret = hx_strdup(json_string_value(string));
    return true;
}

static bool take_duration(struct hx_slice value, int64_t *ret_ms) {
    _cleanup_free_ char *text = NULL;
    return take_string(value, &text) && (!text || (hx_duration_parse(text, ret_ms) == 0 && *ret_ms <= LONGEST_MS));
}

static struct hx_slice member(struct hx_slice object, const char *name) {
    struct hx_slice value = { 0 };
    hx_slice_member(object.at, object.n, name, &value);
    return value;
}

static bool is(struct hx_slice value, const char *word) {
    return value.n == strlen(word) && !memcmp(value.at, word, value.n);
}

static int read_error(struct hx_slice error, struct message *m, char *why, size_t size) {
    m->error = true;
    if (error.at[0] == '"') {
        take_string(error, &m->error_message);
        return 1;
    }
    if (error.at[0] != '{')
        return wrong(-EBADMSG, why, size, "error: must be an object or a string");
    if (!take_string(member(error, "code"), &m->error_code) ||
        !take_string(member(error, "message"), &m->error_message))
        return wrong(-EBADMSG, why, size, "error: code and message must be strings");
    struct hx_slice retry = member(error, "retry");
    if (retry.n && !is(retry, "true") && !is(retry, "false"))
        return wrong(-EBADMSG, why, size, "error.retry: must be true or false");
    if (retry.n)
        m->retry = is(retry, "true") ? MESSAGE_RETRY_YES : MESSAGE_RETRY_NO;
    if (!take_duration(member(error, "retry_after"), &m->retry_after_ms))
        return wrong(-EBADMSG, why, size, "error.retry_after: must be a duration like \"30s\", at most 36500d");
    return 1;
}

static bool take_progress(struct hx_slice value, int *ret) {
    _cleanup_json_ json_t *number = NULL;
    if (value.at[0] == '{' || value.at[0] == '[' || hx_json_parse(value.at, value.n, &number, NULL) < 0 ||
        !json_is_number(number) || json_number_value(number) < 0 || json_number_value(number) > 100)
        return false;
    *ret = (int)json_number_value(number);
    return true;
}

/* What is wrong with these is left unset, and the rest of the message counts. */
static int read_passing(const struct members *from, struct message *m, char *why, size_t size) {
    if (!take_string(from->v[STAGE], &m->stage))
        return wrong(-EINVAL, why, size, "stage: must be a string");
    if (m->stage && strlen(m->stage) > 255) {
        free(HX_TAKE(m->stage));
        return wrong(-EINVAL, why, size, "stage: longer than 255 bytes");
    }
    if (from->named[PROGRESS] && !take_progress(from->v[PROGRESS], &m->progress))
        return wrong(-EINVAL, why, size, "progress: must be a number from 0 to 100");
    return 1;
}

static int read_members(const struct members *from, struct message *m, char *why, size_t size) {
    if (!take_string(from->v[CANCEL], &m->cancel))
        return wrong(-EBADMSG, why, size, "cancel: must be a string");
    if (!take_duration(from->v[SNOOZE], &m->snooze_ms))
        return wrong(-EBADMSG, why, size, "snooze: must be a duration like \"5m\", at most 36500d");
    int r = from->named[ERROR] ? read_error(from->v[ERROR], m, why, size) : 1;
    return r < 0 ? r : read_passing(from, m, why, size);
}

/* The line isn't JSON that the ledger can hold. Did it bring a result, or say what is to become of the job? Then the job must not
 * succeed without that. Anything else that only looks like JSON is output like any other, and so is what has no end. */
static int refuse(const char *line, size_t n, const struct members *m, const struct hx_json_error *error, char *why,
                  size_t size) {
    size_t end = n;
    while (hx_slice_is_space(line[end - 1]))
        end--;
    if (line[end - 1] != '}' && n <= CUT)
        return 0;
    snprintf(why, size, "%s, at byte %zu", error->message, error->position);
    return any_named(m, RESULT) ? -EBADMSG : -EINVAL;
}

/* As it was written: through a number type of ours a large integer or a decimal would come out as another. */
static void take_result(struct hx_slice result, struct message *m) {
    struct hx_buf b = { 0 };
    hx_slice_append_compact(result, &b);
    m->result = hx_buf_take(&b);
}

int message_parse(const char *line, size_t n, struct message *ret, char *why, size_t why_size) {
    *ret = (struct message){ .progress = -1, .retry_after_ms = -1, .snooze_ms = -1 };
    while (n && hx_slice_is_space(line[0])) {
        line++;
        n--;
    }
    if (!n || line[0] != '{')
        return 0;
    struct members m;
    struct hx_json_error error;
    find(line, n, &m);
    if (!any_named(&m, 0))
        return 0;
    if (hx_json_check(line, n, &error) < 0)
        return refuse(line, n, &m, &error, why, why_size);
    if (m.named[RESULT])
        take_result(m.v[RESULT], ret);
    return read_members(&m, ret, why, why_size);
}

void message_reset(struct message *m) {
    free(m->stage);
    free(m->result);
    free(m->error_code);
    free(m->error_message);
    free(m->cancel);
    *m = (struct message){ .progress = -1, .retry_after_ms = -1, .snooze_ms = -1 };
}
