/* Runs of programs: real children of /bin/sh, one job each. */
#pragma once

#include "tests/unit/worker/fixture.h"

#include "lib/json/json.h"

#include <sys/prctl.h>

static unsigned next_job;
static const char *next_payload;
static int64_t next_timeout = INT64_MIN;
static int32_t next_max_attempts = INT32_MIN;

static inline struct run *start(const char *script) {
    shell_argv[2] = script;
    next_job++;
    announce(next_job, next_job, SHELL);
    if (next_payload)
        jobs[next_job].payload = next_payload;
    jobs[next_job].timeout_ms = next_timeout;
    jobs[next_job].max_attempts = next_max_attempts;
    next_payload = NULL;
    next_timeout = INT64_MIN;
    next_max_attempts = INT32_MIN;
    commit(send());
    assert_non_null(run_of(next_job));
    return run_of(next_job);
}

static inline struct run *go(const char *script) {
    struct run *run = start(script);
    PUMP(run->ended);
    assert_int_equal(run->evidence->state, HX_EVIDENCE_ENDED);
    return run;
}

static inline void check(const struct run *run, enum hx_status status, const char *code) {
    assert_string_equal(hx_status_name(run->outcome.status), hx_status_name(status));
    if (code)
        assert_string_equal(run->outcome.code, code);
    else
        assert_null(run->outcome.code);
}

static inline json_t *detail_of(const struct run *run) {
    struct hx_json_error error;
    json_t *parsed = NULL;
    assert_int_equal(hx_json_parse(run->outcome.detail, strlen(run->outcome.detail), &parsed, &error), 0);
    return parsed;
}

static inline json_int_t number_in(const struct run *run, const char *key) {
    _cleanup_json_ json_t *detail = detail_of(run);
    const json_t *v = json_object_get(detail, key);
    return v ? json_integer_value(v) : -1;
}

static inline void check_result(const struct run *run, const char *expected) {
    _cleanup_json_ json_t *detail = detail_of(run);
    const json_t *result = json_object_get(detail, "result");
    _cleanup_free_ char *text = result ? hx_json_dump(result) : NULL;
    assert_string_equal(text ? text : "none", expected);
}

/* Runs until it has said something: then its traps are set. */
static inline struct run *start_ready(const char *script) {
    struct run *run = start(script);
    PUMP(run->message_count);
    return run;
}

#define READY "echo '{\"stage\":\"ready\"}'; "
#define WAIT "while :; do sleep 60 & wait $!; done"

static inline int begin_exec(void **state) {
    next_job = 0;
    return begin(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_exec, end)
