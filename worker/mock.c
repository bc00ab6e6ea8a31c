#include "worker/mock.h"

#include "lib/json/json.h"
#include "worker/outcome.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { STAGES = 4 };
static const char *const stages[STAGES] = { "extracting", "transcribing", "analyzing", "indexing" };
#define RESULT "{\"ok\":true,\"stages\":4}"

enum fail { FAIL_NOT, FAIL_ERROR, FAIL_PERMANENT, FAIL_CRASH, FAIL_HANG };
static const char *const fails[] = { [FAIL_NOT] = "", "error", "permanent", "crash", "hang" };

/* A run that takes time: each stage a quarter of duration_ms. */
struct mock {
    struct hx_timer *timer;
    int64_t duration_ms;
    int stage;
    enum fail fail;
};

struct order {
    int64_t duration_ms;
    enum fail fail;
};

char *mock_plain_detail(const char *label) {
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_buf_puts(&b, "{\"attempt\":1,\"worker\":");
    hx_buf_json_string(&b, label, SIZE_MAX);
    hx_buf_puts(&b, ",\"result\":" RESULT "}");
    return hx_buf_take(&b);
}

static bool bad(char why[static 96], const char *text) {
    hx_strcopy(why, 96, text);
    return false;
}

/* Reads the payload's keys; others are the submitter's business. */
static bool read_order(const json_t *payload, int attempt, struct order *ret, char why[static 96]) {
    json_int_t duration = 0, attempts = INT_MAX;
    const char *fail = "";
    if (!json_is_object(payload))
        return bad(why, "payload: must be an object");
    if (hx_json_get_int(payload, "duration_ms", &duration) < 0 || duration < 0)
        return bad(why, "payload: duration_ms: must be an integer from 0 on");
    if (hx_json_get_int(payload, "fail_attempts", &attempts) < 0 || attempts < 0)
        return bad(why, "payload: fail_attempts: must be an integer from 0 on");
    if (hx_json_get_string(payload, "fail", &fail) < 0)
        return bad(why, "payload: fail: must be a string");
    *ret = (struct order){ .duration_ms = duration };
    if (!*fail || attempt > attempts)
        return true;
    for (size_t i = 1; i < HX_ARRAY_LEN(fails); i++) {
        if (hx_streq(fail, fails[i])) {
            ret->fail = (enum fail)i;
            return true;
        }
    }
    return bad(why, "payload: fail: must be one of error, permanent, crash, hang");
}

static void crash(void) {
    struct sigaction act = { .sa_handler = SIG_DFL }; /* a sanitizer's handler would turn this into an exit */
    sigaction(SIGSEGV, &act, NULL);
    raise(SIGSEGV);
    abort();
}

static void finish(struct run *run, enum fail fail) {
    if (fail == FAIL_CRASH)
        crash();
    if (fail == FAIL_ERROR)
        outcome_failure(run,
                        &(struct failure){ .code = "mock_error", .message = "failed as asked", .retry_after_ms = -1 });
    else if (fail == FAIL_PERMANENT)
        outcome_failure(run, &(struct failure){
                                 .code = "mock_permanent", .message = "failed for good, as asked", .retry = RETRY_NO });
    else if (run->attempt == 1 && !run->mock) {
        run->outcome = (struct hx_outcome){ .id = run->id, .fence = run->fence, .status = HX_SUCCEEDED };
        run->plain = true;
    } else {
        outcome_success(run, RESULT);
    }
    run_end(run);
}

static void next_stage(void *user) {
    struct run *run = user;
    struct mock *m = run->mock;
    if (m->stage == STAGES) {
        run_tell(run, hx_printf("{\"stage\":\"%s\",\"progress\":100,\"attempt\":%d}", stages[STAGES - 1], run->attempt),
                 false);
        finish(run, m->fail);
        return;
    }
    run_tell(run,
             hx_printf("{\"stage\":\"%s\",\"progress\":%d,\"attempt\":%d}", stages[m->stage], m->stage * 100 / STAGES,
                       run->attempt),
             true);
    m->stage++;
    hx_timer_set(m->timer, m->duration_ms / STAGES);
}

void mock_start(struct run *run, const struct hx_job *job) {
    struct order order = { 0 };
    if (job->payload_len > 2) { /* anything but {} */
        char why[96];
        struct hx_json_error error;
        _cleanup_json_ json_t *payload = NULL;
        if (hx_json_parse(job->payload, job->payload_len, &payload, &error) < 0)
            bad(why, error.message);
        else if (read_order(payload, run->attempt, &order, why))
            why[0] = '\0';
        if (why[0]) {
            outcome_failure(run, &(struct failure){ .code = "bad_payload", .message = why, .retry = RETRY_NO });
            run_end(run);
            return;
        }
    }
    if (!order.duration_ms && order.fail != FAIL_HANG) {
        finish(run, order.fail);
        return;
    }
    run->mock = hx_alloc(sizeof *run->mock);
    *run->mock = (struct mock){ .duration_ms = order.duration_ms, .fail = order.fail };
    run->mock->timer = hx_timer_new(run->worker->loop, next_stage, run);
    if (order.fail != FAIL_HANG)
        next_stage(run);
}

void mock_stop(struct run *run) {
    if (run->stop == STOP_CANCEL)
        outcome_canceled(run, run->stop_why);
    else if (run->stop == STOP_DRAIN)
        outcome_cut_short(run, run->stop_why);
    else
        outcome_failure(run, &(struct failure){
                                 .code = "timeout", .message = "ran longer than its timeout", .retry_after_ms = -1 });
    hx_timer_clear(run->mock->timer);
    run_end(run);
}

struct mock *mock_free(struct mock *mock) {
    if (mock) {
        hx_timer_free(mock->timer);
        free(mock);
    }
    return NULL;
}
