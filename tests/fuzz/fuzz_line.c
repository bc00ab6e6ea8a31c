/* Lines of a batch: jansson reads the same job out of a line that is accepted; a line of known members that hold valid values is. */
#include "producer/line.h"

#include "common/clock.h"
#include "producer/field.h"
#include "tests/fuzz/oracle.h"

#define MAX_PAYLOAD ((size_t)2048)

static struct arena arena;

static const char *text_of(const json_t *line, const char *name) {
    return json_string_value(json_object_get(line, name));
}

static void check_job(const struct hx_new_job *job, const json_t *line) {
    must(hx_streq(job->type, text_of(line, "type")));
    must(hx_streq(job->key, text_of(line, "idempotency_key")));
    must(hx_streq(job->requested_by, text_of(line, "requested_by")));
    must(job->priority == json_integer_value(json_object_get(line, "priority")));
    json_int_t attempts = json_integer_value(json_object_get(line, "max_attempts"));
    must(attempts ? job->max_attempts == attempts : job->max_attempts == INT32_MIN);
    must((job->timeout_ms == INT64_MIN) == !text_of(line, "timeout"));
    must((job->run_at == HX_NO_TIME) == !text_of(line, "run_at"));
    const json_t *payload = json_object_get(line, "payload");
    must((!payload || json_is_null(payload)) == !job->payload);
    if (!job->payload)
        return;
    struct hx_json_error error;
    _cleanup_json_ json_t *kept = NULL;
    must(job->payload_len <= MAX_PAYLOAD && strlen(job->payload) == job->payload_len);
    must(hx_json_parse(job->payload, job->payload_len, &kept, &error) == 0 && json_equal(kept, payload));
}

static void check_values(const struct hx_new_job *job) {
    must(!field_type(job->type));
    must(!job->key || !field_label(job->key));
    must(!job->requested_by || !field_label(job->requested_by));
    must(job->max_attempts == INT32_MIN || job->max_attempts >= 1);
    must(job->timeout_ms == INT64_MIN || job->timeout_ms >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct hx_new_job job;
    char why[LINE_WHY] = "";
    int r = line_parse(text, size, MAX_PAYLOAD, &arena, &job, why);
    _cleanup_json_ json_t *line = oracle_parse(text, size);
    if (r == 0) {
        check_values(&job);
        must(line || oracle_big_integer(text, size));
        if (line)
            check_job(&job, line);
    } else {
        must(*why && !strpbrk(why, "\r\n"));
    }
    must(!line_is_blank(text, size) || r < 0);
    arena_clear(&arena);
    return 0;
}
