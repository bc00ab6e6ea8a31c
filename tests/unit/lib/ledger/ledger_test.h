/* What the tests of lib/ledger share. They need a database of their own, migrated to the head, because they empty its tables:
 * libpq's environment names it, and HX_TEST_LEDGER says that this is meant. Without that they are skipped.
 * After each test the ledger's rules are checked (RULES below), whatever the test was about. */
#pragma once

#include "common/clock.h"
#include "common/text.h"
#include "lib/ledger/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define LEDGER_OR_SKIP()               \
    do {                               \
        if (!getenv("HX_TEST_LEDGER")) \
            skip();                    \
    } while (0)
#define LEDGER_TEST(f) cmocka_unit_test_setup_teardown(f, ledger_empty, ledger_check)
#define LEDGER_MAIN(...)                                                                \
    int main(void) {                                                                    \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                              \
        return cmocka_run_group_tests_name(__FILE__, tests, ledger_open, ledger_close); \
    }

static struct {
    struct hx_loop *loop;
    struct hx_pg *pg;  /* as programs use it */
    struct hx_pg *raw; /* for statements of the tests */
} ledger;

/* --- what came back --- */

enum { GOT_ROWS = 64, GOT_COLUMNS = 4 };
/* Of one statement: each value of the first columns in every form that it may have. */
struct got {
    int statement;
    int rows;
    int64_t affected;
    struct got_value {
        struct hx_uuid id;
        int64_t number;
        bool flag, null;
        char text[4096];
    } value[GOT_ROWS][GOT_COLUMNS];
    enum hx_pg_class class;
    struct hx_pg_error error;
};

static inline void got_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct got *g = user;
    g->class = error ? error->class : HX_PG_OK;
    if (error) {
        g->error = *error;
        return;
    }
    g->rows = hx_pg_rows(tx, g->statement);
    g->affected = hx_pg_affected(tx, g->statement);
    for (int row = 0; row < g->rows && row < GOT_ROWS; row++) {
        for (int col = 0; col < GOT_COLUMNS; col++) {
            const char *text = hx_pg_get_text(tx, g->statement, row, col, NULL);
            struct got_value *v = &g->value[row][col];
            v->id = hx_pg_get_uuid(tx, g->statement, row, col);
            v->number = hx_pg_get_int8(tx, g->statement, row, col);
            v->flag = hx_pg_get_bool(tx, g->statement, row, col);
            v->null = hx_pg_is_null(tx, g->statement, row, col);
            hx_strcopy(v->text, sizeof v->text, text ? text : "");
        }
    }
}

/* Runs the transaction to its end; the answer is valid until the next call. */
static inline const struct got *run(struct hx_pg_tx *tx, int statement) {
    static struct got g;
    memset(&g, 0, sizeof g);
    g.statement = statement;
    if (hx_pg_run(ledger.pg, tx, 20000, got_cb, &g, NULL) != HX_PG_OK)
        fail_msg("statement %d: %s %s", g.error.statement, g.error.sqlstate, g.error.message);
    return &g;
}

/* --- plain SQL --- */

static inline void text_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    const char *text = error ? error->message : hx_pg_get_text(tx, 0, 0, 0, NULL);
    hx_strcopy(user, 4096, text ? text : "");
}

/* The first value of the result as text, "" for null or none; valid until the next call. */
static inline const char *sql(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline const char *sql(const char *fmt, ...) {
    static char answer[4096];
    _cleanup_buf_ struct hx_buf text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    struct hx_pg_stmt stmt = { .name = "test", .sql = text.data };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    hx_pg_tx_add(tx, &stmt);
    if (hx_pg_run(ledger.raw, tx, 20000, text_cb, answer, NULL) != HX_PG_OK)
        fail_msg("%s: %s", text.data, answer);
    return answer;
}
/* The value of an expression, or of a select in parentheses. */
#define value(fmt, ...) sql("select (" fmt ")::text" __VA_OPT__(, ) __VA_ARGS__)
#define assert_value(expected, ...) assert_string_equal(value(__VA_ARGS__), expected)

/* Whether a time was set to so long after a moment between `from`, which server_time said, and now. */
#define SET_TO(column, after) \
    column " between '%s'::timestamptz + interval '" after "' and clock_timestamp() + interval '" after "'"

static inline void server_time(char from[64]) {
    hx_strcopy(from, 64, value("clock_timestamp()"));
}

/* A uuid in SQL; eight at once. */
static inline const char *q(const struct hx_uuid *id) {
    static char texts[8][64];
    static unsigned next;
    char plain[HX_UUID_SIZE], *text = texts[next++ % 8];
    hx_uuid_format(id, plain);
    snprintf(text, sizeof texts[0], "'%s'::uuid", plain);
    return text;
}

/* --- opening, emptying, checking --- */

static inline int ledger_open(void **state) {
    (void)state;
    if (!getenv("HX_TEST_LEDGER"))
        return 0;
    static const char *const none[] = { NULL };
    struct hx_pg_options options = {
        .keywords = none, .values = none, .application_name = "hx-test-ledger", .timeout_ms = 20000, .fail_fast = true
    };
    if (hx_loop_new(&ledger.loop) < 0 || hx_pg_new(ledger.loop, &options, NULL, NULL, &ledger.pg) < 0)
        return -1;
    options.no_prepare = true;
    if (hx_pg_new(ledger.loop, &options, NULL, NULL, &ledger.raw) < 0)
        return -1;
    /* Programs of tests run side by side, and all of them empty the tables. */
    for (int i = 0; strcmp(value("pg_try_advisory_lock(7406)"), "true") != 0; i++) {
        if (i > 1000)
            return -1;
        hx_loop_once(ledger.loop, 100);
    }
    return 0;
}

static inline int ledger_close(void **state) {
    (void)state;
    ledger.pg = hx_pg_free(ledger.pg);
    ledger.raw = hx_pg_free(ledger.raw);
    ledger.loop = hx_loop_free(ledger.loop);
    return 0;
}

static inline int ledger_empty(void **state) {
    (void)state;
    if (!ledger.raw)
        return 0;
    sql("truncate job, job_event, job_type, worker, claim, waiting, outbox, permit, signal, delta, job_count, "
        "quarantine "
        "restart identity");
    sql("update sweep set position = heimdex_uuid_floor(now() - interval '1 minute')");
    return 0;
}

static const char *const RULES[][2] = {
    { "a queued or failed job that is not fresh stands in waiting",
      "select id from job j where (status = 'failed' or status = 'queued' and id <= (select position from sweep)) "
      "and not exists (select from waiting w where w.job_id = j.id)" },
    { "only queued and failed jobs stand in waiting", "select job_id from waiting w where not exists (select from job "
                                                      "j where j.id = w.job_id and j.status in ('queued', 'failed'))" },
    { "a running job is in a claim of its worker, which lives",
      "select id from job j where status = 'running' and not exists (select from claim c join worker w on w.id = "
      "c.worker "
      "where j.id = any(c.ids) and not w.dead and w.id = j.worker)" },
    { "events replay without a gap", "select job_id from (select job_id, prev_status, lag(next_status) over (partition "
                                     "by job_id order by ts, id) as before "
                                     "from job_event) as e where prev_status is distinct from before" },
    { "the last event says the job's status",
      "select id from job j where status is distinct from "
      "(select next_status from job_event e where e.job_id = j.id order by ts desc, id desc limit 1)" },
    { "counts equal the rows", "select type || ' ' || status from (select org_id, type, status, 1 as n from job "
                               "union all select org_id, type, status, -count from job_count union all select org_id, "
                               "type, status, -count from delta) as x "
                               "group by org_id, type, status having sum(n) <> 0" },
    { "finished_at is set in terminal statuses alone",
      "select id from job where (status in ('succeeded', 'canceled', 'dead_letter')) <> (finished_at is not null)" },
    { "a permit is held by a running job", "select job_id from permit p where job_id is not null and not exists "
                                           "(select from job j where j.id = p.job_id and status = 'running')" },
};

static inline int ledger_check(void **state) {
    (void)state;
    if (!ledger.raw)
        return 0;
    int result = 0;
    for (size_t i = 0; i < HX_ARRAY_LEN(RULES); i++) {
        const char *broken = sql("select string_agg(x::text, ' ') from (%s limit 5) as x", RULES[i][1]);
        if (*broken) {
            print_error("rule broken: %s: %s\n", RULES[i][0], broken);
            result = -1;
        }
    }
    return result;
}

/* --- jobs and workers --- */

static const char *const LABEL = "host/\"main\"/0";

static inline struct hx_new_job new_job(const char *type) {
    return (struct hx_new_job){
        .id = hx_uuid_v7(), .type = type, .max_attempts = INT32_MIN, .timeout_ms = INT64_MIN, .run_at = HX_NO_TIME
    };
}

static inline void put_jobs(struct hx_uuid *ids, size_t n, const char *type) {
    struct hx_new_job jobs[GOT_ROWS];
    for (size_t i = 0; i < n; i++) {
        jobs[i] = new_job(type);
        ids[i] = jobs[i].id;
    }
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    assert_int_equal(run(tx, hx_ledger_submit(tx, jobs, n))->rows, n);
}

static inline struct hx_uuid put_job(const char *type) {
    struct hx_uuid id;
    put_jobs(&id, 1, type);
    return id;
}

static inline int32_t put_worker(void) {
    static const char *const types[] = { "a", "b" };
    struct hx_worker_info worker = { .host = "machine",
                                     .hostname = "host",
                                     .instance = "main",
                                     .boot_id = "boot",
                                     .version = "1",
                                     .slot = 3,
                                     .pid = 42,
                                     .types = types,
                                     .type_count = 2 };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    return (int32_t)run(tx, hx_ledger_register_worker(tx, &worker))->value[0][0].number;
}

static inline void put_type(const char *type, int32_t concurrency, bool paused) {
    struct hx_type_info info = {
        .type = type, .queue = "q", .announce = 10, .concurrency = concurrency, .max_attempts = INT32_MIN
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_register_types(tx, &info, 1));
    tx = hx_pg_tx_new("test");
    run(tx, hx_ledger_pause(tx, type, paused));
}

/* Claims for types a and b with 3 attempts each; how many were got. */
static inline int claim(int32_t worker, const struct hx_uuid *ids, size_t n) {
    static const char *const types[] = { "a", "b" };
    int32_t max_attempts[GOT_ROWS];
    for (size_t i = 0; i < n; i++)
        max_attempts[i] = 3;
    struct hx_uuid token = hx_uuid_v4();
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    return run(tx, hx_ledger_claim(tx, &token, worker, ids, max_attempts, n, types, 2, LABEL))->rows;
}

/* A job of type a that this worker runs, under fence 1. */
static inline struct hx_uuid put_running(int32_t worker) {
    struct hx_uuid id = put_job("a");
    assert_int_equal(claim(worker, &id, 1), 1);
    return id;
}

/* Somebody who asks for this job to be canceled, in a transaction that is open when the next one of ledger.pg comes for the job's lock, and
 * commits then. That one begins with wait_for_request. The second connection runs in the loop of whoever runs the first. */
static inline void asked_cb(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    (void)tx, (void)user;
    if (error)
        fail_msg("the request: %s", error->message);
}

static inline void begin_request(int32_t worker, const struct hx_uuid *id) {
    static char text[1024];
    static const struct hx_pg_stmt request = { .name = "request", .sql = text };
    snprintf(text, sizeof text,
             "do $$ begin perform from job where id = %s for update; insert into signal values (%d, %s, 'asked'); "
             "perform pg_advisory_xact_lock(7407); "
             "while not exists (select from pg_locks l where not l.granted and pg_backend_pid() = "
             "any(pg_blocking_pids(l.pid))) "
             "loop perform pg_sleep(0.002); end loop; end $$",
             q(id), worker, q(id));
    struct hx_pg_tx *tx = hx_pg_tx_new("request");
    hx_pg_tx_add(tx, &request);
    hx_pg_submit(ledger.raw, tx, 20000, asked_cb, NULL);
}

static inline void wait_for_request(struct hx_pg_tx *tx) {
    static const struct hx_pg_stmt wait = { .name = "wait",
                                            .sql = "do $$ begin while not exists (select from pg_locks where locktype "
                                                   "= 'advisory' and objid = 7407 and granted) "
                                                   "loop perform pg_sleep(0.002); end loop; end $$" };
    hx_pg_tx_add(tx, &wait);
}

/* As the first worker of the test. */
static inline int settle(const struct hx_outcome *outcomes, size_t n) {
    struct hx_pg_tx *tx = hx_pg_tx_new("test");
    return run(tx, hx_ledger_settle(tx, 1, outcomes, n))->rows;
}
