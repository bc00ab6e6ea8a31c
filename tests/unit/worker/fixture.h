/* A registered worker without its main loop: the test makes each transaction and ends it: commit (the fake jobs change as the ledger would
 * change them), refuse, or lose (the connection broke in its COMMIT). */
#pragma once

#include "tests/unit/slept.h"
#include "tests/unit/worker/fake_commit.h"
#include "tests/unit/worker/fake_config.h"
#include "tests/unit/worker/fake_consumer.h"
#include "tests/unit/worker/fake_pg.h"
#include "tests/unit/worker/tx_words.h"

#include "common/log.h"
#include "common/mark.h"
#include "worker/aside.h"
#include "worker/flight.h"
#include "worker/mock.h"

static struct worker worker;
static int evidence_fd = -1;

#define SHELL "sh" /* a program: /bin/sh -c script */
#define FEW "few"  /* a program with a fleet-wide limit */
#define MOCK "mock_process"
static const char *shell_argv[] = { "/bin/sh", "-c", "true", NULL };

static inline void reset_fakes(void) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        hx_buf_reset(&jobs[i].told);
    memset(jobs, 0, sizeof jobs);
    memset(claim_held, 0, sizeof claim_held);
    claim_count = pending_count = record_count = record_next = stored_count = 0;
    permits = 2;
    backend_alive = consumer_paused = consumer_left = consumer_refused = work_away = side_away = false;
    on_submit = NULL;
    memset(settings, 0, sizeof settings);
    settings[HX_WORKER_BATCH] = 8;
    settings[HX_WORKER_SLOTS] = 4;
    settings[HX_WORKER_LEASE] = 15000;
    settings[HX_JOBS_TIMEOUT] = 60000;
    settings[HX_JOBS_MAX_ATTEMPTS] = 3;
    settings[HX_JOBS_BACKOFF_BASE] = 1000;
    settings[HX_JOBS_BACKOFF_MAX] = 60000;
    settings[HX_JOBS_KILL_GRACE] = 5000;
    settings[HX_SUPERVISOR_DRAIN_TIMEOUT] = 30000;
    const struct hx_handler_config unset = { .timeout_ms = -1,
                                             .backoff_base_ms = -1,
                                             .backoff_max_ms = -1,
                                             .max_attempts = -1,
                                             .concurrency = -1,
                                             .exec = shell_argv };
    handler_configs[0] = handler_configs[1] = unset;
    handler_configs[0].type = SHELL;
    handler_configs[1].type = FEW;
    handler_configs[1].concurrency = 2;
    handler_config_count = 2;
}

static inline int begin(void **state) {
    (void)state;
    reset_fakes();
    shell_argv[0] = "/bin/sh";
    hx_log_init(&(struct hx_log_options){ .service = "test", .format = HX_LOG_TEXT, .level = HX_LOG_ERR });
    worker = (struct worker){ .id = 7, .instance = "main", .registered = true, .work = &work_pg, .side = &side_pg };
    worker.mark = hx_mark_of_worker(hx_mark_of_fleet("test", 1), getpid());
    worker.label = hx_strdup("host/main/0");
    worker.outcome_limit = worker_batch(&worker);
    worker.renewed_boot_ms = hx_boot_ms();
    assert_int_equal(hx_loop_new(&worker.loop), 0);
    assert_int_equal(hx_evidence_create(&evidence_fd, &worker.evidence), 0);
    worker.handlers = handlers_new(NULL);
    worker.backlog = backlog_new(worker.handlers);
    worker.progress = hx_progress_new();
    worker.plain_detail = mock_plain_detail(worker.label);
    return 0;
}

static inline int end(void **state) {
    (void)state;
    struct worker *w = &worker;
    start_clock();
    w->leaving = true;
    hx_pg_free(&work_pg);
    hx_pg_free(&side_pg);
    aside_free_all(w);
    while (w->runs)
        run_free(w->runs);
    backlog_free(w->backlog);
    hx_progress_free(w->progress);
    handlers_free(w->handlers);
    struct hx_timer *timers[] = { w->take_timer,  w->renew_timer, w->signal_timer,
                                  w->drain_timer, w->work_pause,  w->tasks_timer };
    for (size_t i = 0; i < HX_ARRAY_LEN(timers); i++)
        hx_timer_free(timers[i]);
    free(w->spent);
    free(w->strays);
    free(w->plain_detail);
    free(w->label);
    hx_loop_free(w->loop);
    hx_evidence_unmap(w->evidence);
    close(evidence_fd);
    reset_fakes();
    return 0;
}

static inline const struct handler *handler_of(const char *type) {
    const struct handler *h = handlers_find(worker.handlers, type);
    assert_non_null(h);
    return h;
}

/* Queued jobs first to last, and candidates for them. */
static inline void announce(unsigned first, unsigned final, const char *type) {
    for (unsigned n = first; n <= final; n++) {
        struct candidate c = { .id = id_of(n), .handler = handler_of(type) };
        add_job(n, type);
        backlog_add(worker.backlog, &c);
    }
}

/* As send_next of worker.c does it; NULL: there was nothing to send. */
static inline struct hx_pg_tx *send(void) {
    struct hx_pg_tx *tx = hx_pg_tx_new("work");
    struct flight *f = flight_new(&worker);
    flight_fill(f, tx);
    if (flight_empty(f)) {
        flight_free(f);
        return hx_pg_tx_free(tx);
    }
    flight_send(f, tx);
    return tx;
}

/* Claims first to last (of MOCK or SHELL) in transactions of their own. */
static inline void claim_all(unsigned first, unsigned final, const char *type) {
    announce(first, final, type);
    struct hx_pg_tx *tx = send();
    assert_non_null(statement_of(tx, CLAIM));
    commit(tx);
}

static inline struct run *run_of(unsigned n) {
    struct hx_uuid id = id_of(n);
    return run_find(&worker, &id);
}

/* Claimed jobs whose handlers don't start by themselves: the test ends them. */
static inline struct claim *hold(unsigned first, unsigned final, const char *type) {
    struct claim *claim = hx_alloc(sizeof *claim);
    claim->token = hx_uuid_v4();
    claim_held[claim_index(&claim->token)] = true;
    for (unsigned n = first; n <= final; n++) {
        add_job(n, type);
        jobs[n].status = HX_RUNNING;
        jobs[n].token = claim->token;
        jobs[n].fence = jobs[n].attempt = 1;
        jobs[n].max_attempts = 3;
        struct hx_job row = {
            .id = id_of(n), .type = type, .attempt = 1, .fence = 1, .max_attempts = 3, .timeout_ms = 1000
        };
        struct run *run = run_new(&worker, claim, handler_of(type), &row);
        run->evidence = hx_evidence_start(worker.evidence, &run->id, 1, n);
    }
    return claim;
}

/* Ends held runs with a plain success. */
static inline void finish(unsigned first, unsigned final) {
    for (unsigned n = first; n <= final; n++) {
        struct run *run = run_of(n);
        run->outcome = (struct hx_outcome){ .id = run->id, .fence = run->fence, .status = HX_SUCCEEDED };
        run->plain = true;
        run_end(run);
    }
}

static inline void check_ended(const char *expected) {
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_buf_puts(&b, "");
    size_t n = 0;
    for (struct run *run = worker.ended_head; run; run = run->ended_next, n++) {
        hx_buf_printf(&b, "%s%u", b.len ? " " : "", number_of(&run->id));
        if (!run->ended_next)
            assert_ptr_equal(run, worker.ended_tail);
    }
    assert_string_equal(b.data, expected);
    assert_int_equal(worker.ended_count, n);
}

/* Turns the loop until the condition holds. */
#define PUMP(condition)                            \
    do {                                           \
        int64_t deadline_ = hx_mono_ms() + 20000;  \
        while (!(condition)) {                     \
            assert_true(hx_mono_ms() < deadline_); \
            hx_loop_once(worker.loop, 50);         \
        }                                          \
    } while (0)
