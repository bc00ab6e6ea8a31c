#include "worker/message.h"

#include "common/units.h"
#include "lib/json/json.h"
#include "lib/json/slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A line this long was cut by whoever read it. */
enum { CUT = 1000000 };

static const char *const keys[] = { "stage", "progress", "result", "error", "snooze", "cancel" };

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
    return r == 0 || (r > 0 && hx_duration_parse(text, ret_ms) == 0);
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
        return wrong(-EBADMSG, why, size, "error.retry_after: must be a duration like \"30s\"");
    return 1;
}

static int read_progress(const json_t *object, struct message *m, char *why, size_t size) {
    const json_t *progress = json_object_get(object, "progress");
    if (!progress)
        return 1;
    if (!json_is_number(progress) || json_number_value(progress) < 0 || json_number_value(progress) > 100)
        return wrong(-EINVAL, why, size, "progress: must be a number from 0 to 100");
    m->progress = (int)json_number_value(progress);
    return 1;
}

static int read_members(const json_t *object, struct message *m, char *why, size_t size) {
    if (!take_string(object, "stage", &m->stage))
        return wrong(-EINVAL, why, size, "stage: must be a string");
    if (m->stage && strlen(m->stage) > 255)
        return wrong(-EINVAL, why, size, "stage: longer than 255 bytes");
    if (!take_string(object, "cancel", &m->cancel))
        return wrong(-EBADMSG, why, size, "cancel: must be a string");
    if (!take_duration(object, "snooze", &m->snooze_ms))
        return wrong(-EBADMSG, why, size, "snooze: must be a duration like \"5m\"");
    const json_t *error = json_object_get(object, "error");
    int r = error ? read_error(error, m, why, size) : 1;
    return r < 0 ? r : read_progress(object, m, why, size);
}

static bool has_key(const json_t *object) {
    for (size_t i = 0; i < HX_ARRAY_LEN(keys); i++)
        if (json_object_get(object, keys[i]))
            return true;
    return false;
}

static bool begins_with_result(const char *line, size_t n) {
    static const char start[] = "{\"result\"";
    return n >= sizeof start - 1 && !memcmp(line, start, sizeof start - 1);
}

/* Where it is may be lost; what it comes to may not. */
static bool decides(const json_t *object) {
    return json_object_get(object, "result") || json_object_get(object, "error") || json_object_get(object, "snooze") ||
           json_object_get(object, "cancel");
}

/* The line isn't JSON that the ledger can hold. Did it bring a result, or say what is to become of the job? Then the job must not
 * succeed without that. Anything else that only looks like JSON is output like any other. */
static int refuse(const char *line, size_t n, const struct hx_json_error *error, char *why, size_t size) {
    _cleanup_json_ json_t *lenient = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
    bool fatal = lenient ? decides(lenient) : begins_with_result(line, n) && (line[n - 1] == '}' || n > CUT);
    if (!fatal && !(lenient && has_key(lenient)))
        return 0;
    return wrong(fatal ? -EBADMSG : -EINVAL, why, size, error->message);
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
    if (!has_key(object))
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
