/* An outbox whose rows the test says, and the relay that takes them. The test is told what was struck off, not by how many a take was
 * limited: that is in `limit`. */
#pragma once

#include "tests/unit/fake_producer.h"
#include "tests/unit/scheduler/fake_tx.h"

#include "scheduler/relay.h"

enum { TAKE = 0, JOBS = 0, DEAD = 1 };

static const int64_t *outbox; /* what the next take finds */
static size_t outbox_rows;
static struct hx_relay_job jobs[4]; /* of those that were taken */
static size_t job_count;
static bool expanding;
static int32_t limit; /* of the last take */

static hx_pg_notify_cb heard; /* a word on the channel of those who write outbox rows */

void hx_pg_listen(struct hx_pg *pg, const char *channel, hx_pg_notify_cb cb, void *user) {
    (void)pg, (void)user;
    assert_string_equal(channel, "heimdex_outbox");
    heard = cb;
}

int hx_pg_rows(const struct hx_pg_tx *tx, int statement) {
    (void)tx;
    if (!expanding)
        return (int)outbox_rows;
    return statement == JOBS ? (int)job_count : 0;
}

struct hx_uuid *hx_pg_get_uuids(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_n) {
    (void)tx, (void)statement, (void)row, (void)col;
    *ret_n = 1;
    return NULL;
}

int hx_ledger_relay_take(struct hx_pg_tx *tx, int32_t most) {
    hx_buf_printf(&tx->told, " take");
    limit = most;
    expanding = false;
    return TAKE;
}

int hx_ledger_outbox_done(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    for (size_t i = 0; i < n; i++)
        hx_buf_printf(&tx->told, " done %lld", (long long)outbox_ids[i]);
    return 0;
}

int hx_ledger_relay_jobs(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    for (size_t i = 0; i < n; i++)
        hx_buf_printf(&tx->told, " %lld", (long long)outbox_ids[i]);
    expanding = true;
    return JOBS;
}

int hx_ledger_relay_dead(struct hx_pg_tx *tx, const int64_t *outbox_ids, size_t n) {
    (void)tx, (void)outbox_ids, (void)n;
    return DEAD;
}

int64_t hx_ledger_read_outbox(const struct hx_pg_tx *tx, int statement, int row, enum hx_outbox_kind *ret_kind) {
    (void)tx, (void)statement, (void)ret_kind;
    return outbox[row];
}

struct hx_relay_job hx_ledger_read_relay_job(const struct hx_pg_tx *tx, int statement, int row) {
    (void)tx, (void)statement;
    return jobs[row];
}

struct hx_dead_record hx_ledger_read_dead_record(const struct hx_pg_tx *tx, int statement, int row) {
    (void)tx, (void)statement, (void)row;
    return (struct hx_dead_record){ 0 };
}

struct hx_kafka_options scheduler_kafka(const struct scheduler *s, const char *client_id) {
    (void)s, (void)client_id;
    return (struct hx_kafka_options){ 0 };
}

/* ---- a scheduler that does nothing but relay ---- */

static inline int begin(void **state) {
    (void)state;
    struct hx_kafka_error error;
    hx_log_init(&(struct hx_log_options){ .service = "test", .format = HX_LOG_TEXT, .level = HX_LOG_ERR });
    scheduler = (struct scheduler){ .started = true };
    outbox_rows = job_count = 0;
    assert_int_equal(hx_loop_new(&scheduler.loop), 0);
    assert_int_equal(relay_new(&scheduler, &scheduler.relay, &error), 0);
    return 0;
}

static inline int end(void **state) {
    (void)state;
    if (pending)
        pending = hx_pg_tx_free(pending);
    relay_free(scheduler.relay);
    hx_loop_free(scheduler.loop);
    return 0;
}
