#include "supervisor/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is(struct status_view v, const char *expected) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    status_text(&v, &text);
    assert_string_equal(text.data, expected);
}

#define FULL                                                                                          \
    .workers = 2, .workers_working = 2, .workers_alive = 2, .schedulers = 1, .schedulers_working = 1, \
    .schedulers_alive = 1

static void while_starting(void **s) {
    (void)s;
    is((struct status_view){ .workers = 2, .schedulers = 1 }, "starting: 0 of 2 workers and 0 of 1 schedulers ready");
    is((struct status_view){ .workers = 2 }, "starting: 0 of 2 workers ready");
    is((struct status_view){ .workers = 2, .waiting = "PostgreSQL at 127.0.0.1:5432" },
       "starting: waiting for PostgreSQL at 127.0.0.1:5432");
    is((struct status_view){ .workers = 2, .waiting = "PostgreSQL at db:1", .detail = "refused", .now_ms = 40999 },
       "starting: waiting for PostgreSQL at db:1 for 40 s: refused");
    is((struct status_view){ .workers = 1, .paused = "worker", .paused_slot = 0, .paused_ms = 1500 },
       "starting: 0 of 1 workers ready, worker 0 starts again in 1500ms");
}

static void while_running(void **s) {
    (void)s;
    is((struct status_view){ .ready = true, FULL, .running = 12 }, "2 workers, 12 jobs running");
    is((struct status_view){ .ready = true, .workers = 1, .workers_working = 1, .running = 1 },
       "1 worker, 1 job running");
    is((struct status_view){ .ready = true, FULL, .waiting = "PostgreSQL at db", .waiting_ms = 10, .now_ms = 1009 },
       "2 workers, 0 jobs running, waiting for PostgreSQL at db");
    is((struct status_view){ .ready = true, FULL, .without = "Kafka at k:9092", .without_ms = 500, .now_ms = 3500 },
       "2 workers, 0 jobs running, without Kafka at k:9092 for 3 s");
    is((struct status_view){ .ready = true,
                             .workers = 2,
                             .workers_working = 1,
                             .schedulers = 1,
                             .paused = "worker",
                             .paused_slot = 1,
                             .paused_ms = 400 },
       "1 of 2 workers, 0 jobs running, no scheduler, worker 1 starts again in 400ms");
}

static void coarser_as_time_goes_by(void **s) {
    (void)s;
    static const struct {
        int64_t ms;
        const char *text;
    } times[] = { { 0, "" },
                  { 999, "" },
                  { 1000, " for 1 s" },
                  { 119999, " for 119 s" },
                  { 120000, " for 2 min" },
                  { 7199999, " for 119 min" },
                  { 7200000, " for 2 h" },
                  { INT64_C(864000000), " for 240 h" } };
    for (size_t i = 0; i < HX_ARRAY_LEN(times); i++) {
        _cleanup_free_ char *expected = hx_printf("1 worker, 0 jobs running, waiting for db%s", times[i].text);
        is(
            (struct status_view){
                .ready = true, .workers = 1, .workers_working = 1, .waiting = "db", .now_ms = times[i].ms },
            expected);
    }
}

static void while_stopping(void **s) {
    (void)s;
    is((struct status_view){ .stopping = true, .ready = true, FULL, .running = 3 },
       "stopping: 2 workers finish 3 jobs");
    is((struct status_view){ .stopping = true, .workers_alive = 1, .running = 1 }, "stopping: 1 worker finishes 1 job");
    is((struct status_view){ .stopping = true, .unsettled = 1 }, "stopping: settling the jobs of 1 dead worker");
    is((struct status_view){ .stopping = true }, "stopping: workers have ended");
}

static void around_a_reload(void **s) {
    (void)s;
    is((struct status_view){ .ready = true, FULL, .running = 3, .workers_leaving = 1, .reloading = true },
       "2 workers, 3 jobs running, 1 old worker finishes its jobs, reloading");
    is((struct status_view){ .ready = true, FULL, .workers_leaving = 2 },
       "2 workers, 0 jobs running, 2 old workers finish their jobs");
    is((struct status_view){ .ready = true, FULL, .refused = "/etc/a.conf:2: worker.slotz: unknown key" },
       "2 workers, 0 jobs running, reload refused: /etc/a.conf:2: worker.slotz: unknown key");
    is((struct status_view){ .workers = 2, .waiting = "Kafka", .refused = "why" },
       "starting: waiting for Kafka, reload refused: why");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_starting), cmocka_unit_test(while_running),   cmocka_unit_test(coarser_as_time_goes_by),
        cmocka_unit_test(while_stopping), cmocka_unit_test(around_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
