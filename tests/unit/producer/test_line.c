#include "producer/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"
#include "lib/json/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PAYLOAD = 1000 };

/* The line in memory of exactly its size, so that a sanitizer sees what is read behind it. */
static int parse(const char *line, struct arena *arena, struct hx_new_job *ret, char why[LINE_WHY]) {
    size_t n = strlen(line);
    _cleanup_free_ char *exact = malloc(n ? n : 1);
    memcpy(exact, line, n);
    return line_parse(exact, n, MAX_PAYLOAD, arena, ret, why);
}

static void all_members(void **state) {
    (void)state;
    struct arena arena = { 0 };
    struct hx_new_job job;
    char why[LINE_WHY], id[HX_UUID_SIZE];
    assert_int_equal(
        parse(" { \"type\" : \"thumb\\u006eail\" , \"payload\":{\"a\": [1, 2]},\"org_id\":\"01890a5d-ac96-774b-bcce-"
              "b302099a8057\",\"priority\":-7,\"idempotency_key\":\"k\\\"1\",\"requested_by\":\"mé\",\"run_at\":"
              "\"1970-01-01T00:00:02Z\",\"max_attempts\":3,\"timeout\":\"30s\" } \r",
              &arena, &job, why),
        0);
    assert_string_equal(job.type, "thumbnail");
    assert_string_equal(job.payload, "{\"a\": [1, 2]}");
    assert_int_equal(job.payload_len, strlen(job.payload));
    hx_uuid_format(&job.org_id, id);
    assert_string_equal(id, "01890a5d-ac96-774b-bcce-b302099a8057");
    assert_int_equal(job.priority, -7);
    assert_string_equal(job.key, "k\"1");
    assert_string_equal(job.requested_by, "mé");
    assert_int_equal(job.run_at, 2000000);
    assert_int_equal(job.max_attempts, 3);
    assert_int_equal(job.timeout_ms, 30000);
    arena_reset(&arena);
}

static void defaults(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"type\":\"t\"}",
        "{\"type\":\"t\",\"org_id\":null,\"priority\":null,\"idempotency_key\":null,\"requested_by\":null,\"run_at\":"
        "null,"
        "\"max_attempts\":null,\"timeout\":null}",
        "{\"t\\u0079pe\":\"t\"}",
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(lines); i++) {
        struct arena arena = { 0 };
        struct hx_new_job job;
        char why[LINE_WHY];
        assert_int_equal(parse(lines[i], &arena, &job, why), 0);
        assert_string_equal(job.type, "t");
        assert_null(job.payload);
        assert_true(hx_uuid_eq(&job.org_id, &(struct hx_uuid){ { 0 } }));
        assert_int_equal(job.priority, 0);
        assert_null(job.key);
        assert_null(job.requested_by);
        assert_true(job.run_at == HX_NO_TIME);
        assert_true(job.max_attempts == INT32_MIN);
        assert_true(job.timeout_ms == INT64_MIN);
        arena_reset(&arena);
    }
}

static void null_payload_is_none(void **state) {
    (void)state;
    struct arena arena = { 0 };
    struct hx_new_job job;
    char why[LINE_WHY];
    assert_int_equal(parse("{\"type\":\"t\",\"payload\":null}", &arena, &job, why), 0);
    assert_null(job.payload);
    arena_reset(&arena);
}

static void bad_lines(void **state) {
    (void)state;
    static const struct {
        const char *line, *why;
    } samples[] = {
        { "x", "not JSON: byte 1: 'x'" },
        { "[]", "must be a JSON object" },
        { "\"type\"", "must be a JSON object" },
        { "{", "not JSON" },
        { "{\"type\":\"t\"", "not JSON" },
        { "{\"type\":\"t\",}", "not JSON" },
        { "{\"type\" \"t\"}", "not JSON" },
        { "{\"type\":}", "not JSON" },
        { "{\"type\":\"t\"} {}", "not JSON: byte 14: more text behind the object" },
        { "{\"type\":\"t\"}x", "not JSON: byte 13: more text behind the object" },
        { "{\"type\":\"t", "not JSON" },
        { "{\"type\":\"t\\", "not JSON" },
        { "{type:\"t\"}", "not JSON" },
        { "{}", "type: missing" },
        { "{\"payload\":1}", "type: missing" },
        { "{\"type\":null}", "type: must be a string" },
        { "{\"type\":5}", "type: must be a string" },
        { "{\"type\":\"\"}", "type: must be 1 to 100" },
        { "{\"type\":\"a b\"}", "type: must be 1 to 100" },
        { "{\"type\":\"t\\u0000\"}", "type: \\u0000 is not allowed" },
        { "{\"type\":\"\xff\"}", "type: string that is not UTF-8" },
        { "{\"type\":\"a\tb\"}", "type: control character" },
        { "{\"type\":\"t\",\"type\":\"u\"}", "duplicate key \"type\"" },
        { "{\"type\":\"t\",\"ty\\u0070e\":\"u\"}", "duplicate key \"type\"" },
        { "{\"type\":\"t\",\"prioritty\":1}", "unknown key \"prioritty\", did you mean \"priority\"?" },
        { "{\"type\":\"t\",\"frobnicate\":1}", "unknown key \"frobnicate\"" },
        { "{\"type\":\"t\",\"\":1}", "unknown key \"\"" },
        { "{\"type\":\"t\",\"a\\nb\":1}", "unknown key \"a\\nb\"" },
        { "{\"type\":\"t\",\"payload\":{\"a\":1,\"a\":2}}", "payload: byte 8: duplicate key" },
        { "{\"type\":\"t\",\"payload\":[1}}", "payload: " },
        { "{\"type\":\"t\",\"payload\":nope}", "payload: " },
        { "{\"type\":\"t\",\"payload\":1e999}", "payload: byte 1: number out of range" },
        { "{\"type\":\"t\",\"payload\":\"\\u0000\"}", "payload: " },
        { "{\"type\":\"t\",\"org_id\":\"x\"}", "org_id: must be a UUID" },
        { "{\"type\":\"t\",\"org_id\":{}}", "org_id: must be a string" },
        { "{\"type\":\"t\",\"priority\":\"1\"}", "priority: must be an integer" },
        { "{\"type\":\"t\",\"priority\":1.0}", "priority: must be an integer" },
        { "{\"type\":\"t\",\"priority\":01}", "priority: must be an integer" },
        { "{\"type\":\"t\",\"priority\":-}", "priority: must be an integer" },
        { "{\"type\":\"t\",\"priority\":1e2}", "priority: must be an integer" },
        { "{\"type\":\"t\",\"priority\":3000000000}", "priority: must be an integer" },
        { "{\"type\":\"t\",\"priority\":123456789012345678901234567890123456789}", "priority: must be an integer" },
        { "{\"type\":\"t\",\"max_attempts\":0}", "max_attempts: must be an integer" },
        { "{\"type\":\"t\",\"max_attempts\":true}", "max_attempts: must be an integer" },
        { "{\"type\":\"t\",\"timeout\":30}", "timeout: must be a string" },
        { "{\"type\":\"t\",\"timeout\":\"30\"}", "timeout: must be a duration" },
        { "{\"type\":\"t\",\"run_at\":\"now\"}", "run_at: must be an RFC 3339 time" },
        { "{\"type\":\"t\",\"idempotency_key\":\"\"}", "idempotency_key: must be 1 to 255" },
        { "{\"type\":\"t\",\"idempotency_key\":\"\\ud800\"}", "idempotency_key: \\ud800 is half a character" },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(samples); i++) {
        struct arena arena = { 0 };
        struct hx_new_job job;
        char why[LINE_WHY] = "";
        int r = parse(samples[i].line, &arena, &job, why);
        if (r != -EINVAL || strncmp(why, samples[i].why, strlen(samples[i].why)) != 0)
            fail_msg("%s: %d \"%s\"", samples[i].line, r, why);
        arena_reset(&arena);
    }
}

static void payload_limits(void **state) {
    (void)state;
    struct arena arena = { 0 };
    struct hx_new_job job;
    char why[LINE_WHY], line[4 * MAX_PAYLOAD];
    for (int extra = 0; extra <= 1; extra++) {
        snprintf(line, sizeof(line), "{\"type\":\"t\",\"payload\":  \"%0*d\"  }", MAX_PAYLOAD - 2 + extra, 0);
        assert_int_equal(parse(line, &arena, &job, why), extra ? -EINVAL : 0);
    }
    assert_non_null(strstr(why, "payload: 1001 bytes, over the limit"));
    /* The object around it doesn't count: a payload may be nested as deeply here as anywhere. */
    char deep[2 * HX_JSON_DEPTH + 3] = "";
    for (int depth = HX_JSON_DEPTH; depth <= HX_JSON_DEPTH + 1; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        snprintf(line, sizeof(line), "{\"payload\":%.*s,\"type\":\"t\"}", 2 * depth, deep);
        assert_int_equal(parse(line, &arena, &job, why), depth == HX_JSON_DEPTH ? 0 : -EINVAL);
    }
    arena_reset(&arena);
}

/* What happens to stand in a line never makes us read outside of it. */
static void cut_and_mangled(void **state) {
    (void)state;
    static const char good[] =
        "{\"type\":\"t\\n\",\"payload\":{\"a\":[1,\"\\\"}\"]},\"priority\":12,\"timeout\":\"5m\"}";
    struct arena arena = { 0 };
    struct hx_new_job job;
    char why[LINE_WHY], line[sizeof(good)];
    for (size_t n = 0; n < sizeof(good) - 1; n++) {
        memcpy(line, good, n);
        line[n] = '\0';
        assert_int_equal(parse(line, &arena, &job, why), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(good) - 1; i++)
        for (const char *c = "\"\\{}[],: \x01\xff"
                             "0n";
             *c; c++) {
            memcpy(line, good, sizeof(good));
            line[i] = *c;
            parse(line, &arena, &job, why);
            arena_clear(&arena);
        }
    arena_reset(&arena);
}

static void blank_lines(void **state) {
    (void)state;
    assert_true(line_is_blank("", 0));
    assert_true(line_is_blank(" \t\r", 3));
    assert_false(line_is_blank(" x", 2));
    assert_false(line_is_blank("\0", 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_members), cmocka_unit_test(defaults),       cmocka_unit_test(null_payload_is_none),
        cmocka_unit_test(bad_lines),   cmocka_unit_test(payload_limits), cmocka_unit_test(cut_and_mangled),
        cmocka_unit_test(blank_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
