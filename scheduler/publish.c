#include "lib/kafka/record.h"
#include "common/allowance.h"
#include "scheduler/announce.h"
#include "scheduler/dead_letter.h"
#include "scheduler/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Records of what the relay has taken, and their delivery reports. */

enum {
    TOLD_AT_ONCE = 50, /* jobs, in the log; and then */
    TOLD_A_SECOND = 5,
    COMPLAIN_MS = 10000,     /* a broker that is away would fill the log */
    MAY_BE_TOO_LONG = 65536, /* brokers may be set to less than the client's own limit, but hardly to less than this */
    KAFKA_MESSAGE_TOO_LARGE = 10, /* the protocol's number: the broker refused what our client let through */
};

/* A record on its way: the rows that wait for its report. */
struct sent {
    struct sent *prev, *next;
    char *topic, *key; /* of a dead letter that might be too long, and then: */
    char *shorter;     /* the same, cut; else NULL */
    size_t n;
    struct row *rows[];
};

static struct sent *sent_new(struct relay *r, struct row *const *rows, size_t n) {
    struct sent *sent = hx_alloc(sizeof *sent + n * sizeof *sent->rows);
    sent->n = n;
    sent->next = r->sent;
    if (r->sent)
        r->sent->prev = sent;
    r->sent = sent;
    for (size_t i = 0; i < n; i++) {
        sent->rows[i] = rows[i];
        rows[i]->records++;
    }
    return sent;
}

static void row_release(struct relay *r, struct row *row) {
    if (--row->records == 0)
        relay_row_ended(r, row);
}

static void sent_ended(struct relay *r, struct sent *sent, bool ok) {
    for (size_t i = 0; i < sent->n; i++) {
        sent->rows[i]->failed |= !ok;
        row_release(r, sent->rows[i]);
    }
    *(sent->prev ? &sent->prev->next : &r->sent) = sent->next;
    if (sent->next)
        sent->next->prev = sent->prev;
    free(sent->topic);
    free(sent->key);
    free(sent->shorter);
    free(sent);
}

void publish_forget(struct relay *r) {
    while (r->sent)
        sent_ended(r, r->sent, false);
}

static void complain(struct relay *r, const char *topic, const char *why, const char *consequence) {
    int64_t now = hx_mono_ms();
    if (r->complained_ms && now - r->complained_ms < COMPLAIN_MS)
        return;
    r->complained_ms = now;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "kafka.error";
    ctx.topic = topic;
    hx_warning(&ctx, "Kafka: %s, %s", why, consequence);
}

static bool send_shorter(struct relay *r, struct sent *sent);

/* Hands a record over, or ends it. What is too long for any broker is dropped: its job is in the ledger, and those behind it must
 * not wait for it. */
static void send_record(struct relay *r, struct sent *sent, const char *topic, const char *key, const void *data,
                        size_t size) {
    struct hx_kafka_error error = { 0 };
    int e =
        HX_FAIL("relay.before_publish") ? -EAGAIN : hx_producer_send(r->producer, topic, key, data, size, sent, &error);
    if (e == 0) {
        r->records++;
        silence_sent(&r->silence, hx_mono_ms());
    } else if (e == -EMSGSIZE && !send_shorter(r, sent)) {
        complain(r, topic, error.message, "dropping the record");
        sent_ended(r, sent, true);
    } else if (e != -EMSGSIZE) {
        if (e != -EAGAIN)
            complain(r, topic, error.message, "retrying");
        sent_ended(r, sent, false);
    }
}

static bool send_shorter(struct relay *r, struct sent *sent) {
    if (!sent->shorter)
        return false;
    _cleanup_free_ char *text = HX_TAKE(sent->shorter);
    send_record(r, sent, sent->topic, sent->key, text, strlen(text));
    return true;
}

void publish_report(bool ok, const struct hx_kafka_error *error, void *record_user, void *user) {
    struct relay *r = user;
    struct sent *sent = record_user;
    HX_FAIL_HERE("relay.after_publish");
    r->records--;
    bool too_long = !ok && error->code == KAFKA_MESSAGE_TOO_LARGE;
    silence_report(&r->silence, ok || too_long, hx_mono_ms());
    if (too_long && send_shorter(r, sent))
        return;
    if (!ok)
        complain(r, NULL, error->message, too_long ? "dropping the record" : "retrying");
    if (!ok && !too_long && r->scheduler->topics)
        topics_doubt(r->scheduler->topics);
    sent_ended(r, sent, ok || too_long);
}

static int by_id(const void *key, const void *element) {
    int64_t id = *(const int64_t *)key, other = (*(struct row *const *)element)->id;
    return (id > other) - (id < other);
}

static struct row *find(struct row *const *rows, size_t n, int64_t id) {
    struct row *const *at = bsearch(&id, rows, n, sizeof *rows, by_id);
    return at ? *at : NULL;
}

/* A line of the story of each, as long as they are few. */
static void tell(const struct hx_relay_job *jobs, size_t n, const char *topic) {
    static struct hx_allowance allowance = { .burst = TOLD_AT_ONCE, .per_second = TOLD_A_SECOND };
    char id[HX_UUID_SIZE];
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "job.announced";
    ctx.topic = topic;
    ctx.job_id = id;
    for (size_t i = 0; i < n && hx_log_enabled(HX_LOG_INFO) && hx_allowance_take(&allowance, hx_mono_ms()); i++) {
        hx_uuid_format(&jobs[i].id, id);
        ctx.job_type = jobs[i].type;
        hx_info(&ctx, "announced to workers");
    }
}

/* One record for jobs[0..n), which may come from several rows of the outbox; sorted by row. */
static void announce(struct relay *r, const struct hx_relay_job *jobs, size_t n, struct row *const *rows,
                     size_t row_count) {
    char topic[HX_TOPIC_SIZE];
    const char *prefix = hx_config_string(r->scheduler->config, HX_KAFKA_TOPIC_PREFIX);
    _cleanup_buf_ struct hx_buf record = { 0 };
    struct hx_uuid ids[HX_ANNOUNCE_MAX];
    struct row *of[HX_ANNOUNCE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct row *row = find(rows, row_count, jobs[i].outbox_id);
        if (row && (!count || of[count - 1] != row))
            of[count++] = row;
        ids[i] = jobs[i].id;
    }
    if (!hx_topic_name_valid(jobs->queue) || hx_topic_jobs(topic, prefix, jobs->queue, jobs->high) < 0 ||
        hx_announcement_encode(&record, jobs->type, ids, n) < 0) {
        complain(r, NULL, "a type or queue whose name no record can carry",
                 "leaving its jobs to workers that look for them");
        return;
    }
    tell(jobs, n, topic);
    send_record(r, sent_new(r, of, count), topic, NULL, record.data, record.len);
}

static void announce_all(struct relay *r, const struct hx_pg_tx *tx, int statement, struct row *const *rows,
                         size_t row_count) {
    size_t n = (size_t)hx_pg_rows(tx, statement);
    _cleanup_free_ struct hx_relay_job *jobs = hx_allocn(HX_MAX((size_t)1, n), sizeof *jobs);
    for (size_t i = 0; i < n; i++)
        jobs[i] = hx_ledger_read_relay_job(tx, statement, (int)i);
    for (size_t from = 0, end; from < n; from = end) {
        end = announce_end(jobs, n, from);
        announce(r, jobs + from, end - from, rows, row_count);
    }
}

static void bury_all(struct relay *r, const struct hx_pg_tx *tx, int statement, struct row *const *rows,
                     size_t row_count) {
    char topic[HX_TOPIC_SIZE];
    if (hx_topic_dead_letter(topic, hx_config_string(r->scheduler->config, HX_KAFKA_TOPIC_PREFIX)) < 0)
        return;
    for (int i = 0; i < hx_pg_rows(tx, statement); i++) {
        struct hx_dead_record dead = hx_ledger_read_dead_record(tx, statement, i);
        struct row *row = find(rows, row_count, dead.outbox_id);
        if (!row)
            continue;
        struct sent *sent = sent_new(r, &row, 1);
        if (dead.record_len > MAY_BE_TOO_LONG) {
            sent->topic = hx_strdup(topic);
            sent->key = hx_strdup(dead.key);
            sent->shorter = dead_letter_shorten(dead.key, dead.record, dead.record_len);
        }
        send_record(r, sent, topic, dead.key, dead.record, dead.record_len);
    }
}

void publish(struct relay *r, const struct hx_pg_tx *tx, int jobs, int dead) {
    size_t n = r->taken_count;
    _cleanup_free_ struct row **rows = hx_allocn(HX_MAX((size_t)1, n), sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        rows[i] = hx_alloc(sizeof *rows[i]);
        rows[i]->id = r->taken[i];
        rows[i]->records = 1; /* until all of its records are made */
    }
    r->rows += n;
    announce_all(r, tx, jobs, rows, n);
    bury_all(r, tx, dead, rows, n);
    for (size_t i = 0; i < n; i++)
        row_release(r, rows[i]);
}
