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

/* Where it is may be lost; what it comes to may not. */
static const char *const passing[] = { "stage", "progress" }, *const decisive[] = { "result", "error", "snooze",
                                                                                    "cancel" };

static int wrong(int code, char *why, size_t size, const char *text) {
    hx_strcopy(why, size, text);
    return code;
}

/* A string of the object, copied; absent is fine, another type isn't. */
static bool take_string(const json_t *object, const char *key, char **ret) {
    const char *text = NULL;
    int r = hx_json_get_string(object, key, &text);
    if (r > 0)
        *ret = hx_strdup(text);
    return r >= 0;
}

static bool take_duration(const json_t *object, const char *key, int64_t *ret_ms) {
    const char *text = NULL;
    int r = hx_json_get_string(object, key, &text);
    return r == 0 || (r > 0 && hx_duration_parse(text, ret_ms) == 0 && *ret_ms <= LONGEST_MS);
}

static int read_error(const json_t *error, struct message *m, char *why, size_t size) {
    m->error = true;
    if (json_is_string(error)) {
        m->error_message = hx_strdup(json_string_value(error));
        return 1;
    }
    if (!json_is_object(error))
        return wrong(-EBADMSG, why, size, "error: must be an object or a string");
    if (!take_string(error, "code", &m->error_code) || !take_string(error, "message", &m->error_message))
        return wrong(-EBADMSG, why, size, "error: code and message must be strings");
    bool retry = false;
    int r = hx_json_get_bool(error, "retry", &retry);
    if (r < 0)
        return wrong(-EBADMSG, why, size, "error.retry: must be true or false");
    if (r > 0)
        m->retry = retry ? MESSAGE_RETRY_YES : MESSAGE_RETRY_NO;
    if (!take_duration(error, "retry_after", &m->retry_after_ms))
        return wrong(-EBADMSG, why, size, "error.retry_after: must be a duration like \"30s\", at most 36500d");
    return 1;
}

/* What is wrong with these is left unset, and the rest of the message counts. */
static int read_passing(const json_t *object, struct message *m, char *why, size_t size) {
    if (!take_string(object, "stage", &m->stage))
        return wrong(-EINVAL, why, size, "stage: must be a string");
    if (m->stage && strlen(m->stage) > 255) {
        free(HX_TAKE(m->stage));
        return wrong(-EINVAL, why, size, "stage: longer than 255 bytes");
    }
    const json_t *progress = json_object_get(object, "progress");
    if (!progress)
        return 1;
    if (!json_is_number(progress) || json_number_value(progress) < 0 || json_number_value(progress) > 100)
        return wrong(-EINVAL, why, size, "progress: must be a number from 0 to 100");
    m->progress = (int)json_number_value(progress);
    return 1;
}

static int read_members(const json_t *object, struct message *m, char *why, size_t size) {
    if (!take_string(object, "cancel", &m->cancel))
        return wrong(-EBADMSG, why, size, "cancel: must be a string");
    if (!take_duration(object, "snooze", &m->snooze_ms))
        return wrong(-EBADMSG, why, size, "snooze: must be a duration like \"5m\", at most 36500d");
    const json_t *error = json_object_get(object, "error");
    int r = error ? read_error(error, m, why, size) : 1;
    return r < 0 ? r : read_passing(object, m, why, size);
}

static bool has_any(const json_t *object, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (json_object_get(object, names[i]))
            return true;
    return false;
}

static bool names_any(const char *line, size_t n, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (hx_slice_names(line, n, names[i]))
            return true;
    return false;
}

/* The line isn't JSON that the ledger can hold. Did it bring a result, or say what is to become of the job? Then the job must not
 * succeed without that. Anything else that only looks like JSON is output like any other, and so is what has no end. */
static int refuse(const char *line, size_t n, const struct hx_json_error *error, char *why, size_t size) {
    size_t end = n;
    while (hx_slice_is_space(line[end - 1]))
        end--;
    bool fatal = names_any(line, n, decisive, HX_ARRAY_LEN(decisive));
    if ((line[end - 1] != '}' && n <= CUT) || (!fatal && !names_any(line, n, passing, HX_ARRAY_LEN(passing))))
        return 0;
    snprintf(why, size, "%s, at byte %zu", error->message, error->position);
    return fatal ? -EBADMSG : -EINVAL;
}

/* As it was written: through a number type of ours a large integer or a decimal would come out as another. */
static void take_result(const char *line, size_t n, struct message *m) {
    struct hx_slice result;
    if (!hx_slice_member(line, n, "result", &result))
        return;
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
    _cleanup_json_ json_t *object = NULL;
    struct hx_json_error error;
    if (hx_json_parse(line, n, &object, &error) < 0)
        return refuse(line, n, &error, why, why_size);
    if (!has_any(object, decisive, HX_ARRAY_LEN(decisive)) && !has_any(object, passing, HX_ARRAY_LEN(passing)))
        return 0;
    take_result(line, n, ret);
    return read_members(object, ret, why, why_size);
}

void message_reset(struct message *m) {
    free(m->stage);
    free(m->result);
    free(m->error_code);
    free(m->error_message);
    free(m->cancel);
    *m = (struct message){ .progress = -1, .retry_after_ms = -1, .snooze_ms = -1 };
}
