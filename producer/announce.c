#include "producer/announce.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/text.h"
#include "lib/kafka/options.h"
#include "lib/kafka/producer.h"
#include "lib/kafka/record.h"

#include <stdlib.h>
#include <string.h>

/* When the oldest announcement has been under way for this long, Kafka is away or too slow: the relay takes over what was not
 * delivered, and more is not produced until it is. */
enum { PATIENCE_MS = 1500 };

/* The announcements of one outbox row. */
struct unit {
    struct unit *previous, *next;
    int64_t outbox;
    int64_t since_ms;
    size_t pending;
    bool failed;  /* the row stays for the relay */
    bool sending; /* more records may follow */
};

struct announcer {
    struct hx_loop *loop;
    struct hx_producer *producer;
    char *prefix;
    struct type_cache types;
    struct unit *first, *last; /* oldest first */
    size_t units;
    int64_t *delivered;
    size_t delivered_count, delivered_cap;
    size_t left;
    struct hx_buf record;
    struct hx_uuid ids[HX_ANNOUNCE_MAX];
};

/* ---- units ---- */

static struct unit *unit_new(struct announcer *a, int64_t outbox) {
    struct unit *u = hx_alloc(sizeof(*u));
    *u = (struct unit){ .outbox = outbox, .since_ms = hx_mono_ms(), .previous = a->last, .sending = true };
    if (a->last)
        a->last->next = u;
    else
        a->first = u;
    a->last = u;
    a->units++;
    return u;
}

static void unit_free(struct announcer *a, struct unit *u) {
    if (u->previous)
        u->previous->next = u->next;
    else
        a->first = u->next;
    if (u->next)
        u->next->previous = u->previous;
    else
        a->last = u->previous;
    a->units--;
    free(u);
}

void announcer_give_back(struct announcer *a, const int64_t *ids, size_t n) {
    if (a->delivered_count + n > a->delivered_cap) {
        a->delivered_cap = 2 * (a->delivered_count + n);
        a->delivered = hx_realloc(a->delivered, a->delivered_cap * sizeof(*a->delivered));
    }
    if (n > 0)
        memcpy(a->delivered + a->delivered_count, ids, n * sizeof(*ids));
    a->delivered_count += n;
}

static void unit_settle(struct announcer *a, struct unit *u) {
    if (u->sending || u->pending > 0)
        return;
    if (u->failed)
        a->left++;
    else
        announcer_give_back(a, &u->outbox, 1);
    unit_free(a, u);
}

static void on_delivery(bool ok, const struct hx_kafka_error *error, void *record_user, void *user) {
    (void)error;
    struct unit *u = record_user;
    HX_FAIL_HERE("submit.after_publish");
    u->pending--;
    u->failed |= !ok;
    unit_settle(user, u);
}

/* ---- the announcer ---- */

int announcer_new(struct hx_loop *loop, const struct hx_config *config, struct announcer **ret,
                  struct hx_kafka_error *reterr) {
    struct announcer *a = hx_alloc(sizeof(*a));
    struct hx_kafka_options options = hx_kafka_configured(config, "heimdex-submit");
    int r = hx_producer_new(loop, &options, on_delivery, a, &a->producer, reterr);
    if (r < 0) {
        free(a);
        return r;
    }
    a->loop = loop;
    a->prefix = hx_strdup(hx_config_string(config, HX_KAFKA_TOPIC_PREFIX));
    *ret = a;
    return 0;
}

struct announcer *announcer_free(struct announcer *a) {
    if (!a)
        return NULL;
    hx_producer_free(a->producer, 0);
    while (a->first)
        unit_free(a, a->first);
    type_cache_reset(&a->types);
    hx_buf_reset(&a->record);
    free(a->delivered);
    free(a->prefix);
    free(a);
    return NULL;
}

struct type_cache *announcer_types(struct announcer *a) {
    return &a->types;
}

void announcer_expect(struct announcer *a, bool high) {
    char topic[HX_TOPIC_SIZE];
    if (hx_topic_jobs(topic, a->prefix, "default", high) == 0)
        hx_producer_topic(a->producer, topic);
}

/* ---- publishing ---- */

static int compare(const void *left, const void *right) {
    const struct announcement *a = left, *b = right;
    int r = strcmp(a->type, b->type);
    if (r == 0)
        r = a->high - b->high;
    return r != 0 ? r : hx_uuid_cmp(&a->id, &b->id);
}

/* Most batches are of one type, and in order already. */
static void sort(struct announcement *items, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (compare(&items[i - 1], &items[i]) > 0) {
            qsort(items, n, sizeof(*items), compare);
            return;
        }
}

static bool send_record(struct announcer *a, struct unit *u, const char *topic, const struct announcement *items,
                        size_t n) {
    struct hx_kafka_error error;
    for (size_t i = 0; i < n; i++)
        a->ids[i] = items[i].id;
    hx_buf_clear(&a->record);
    if (hx_announcement_encode(&a->record, items[0].type, a->ids, n) < 0 ||
        hx_producer_send(a->producer, topic, NULL, a->record.data, a->record.len, u, &error) < 0)
        return false;
    u->pending++;
    return true;
}

/* Jobs of one type and band. */
static bool send_group(struct announcer *a, struct unit *u, const struct announcement *items, size_t n) {
    char topic[HX_TOPIC_SIZE];
    struct type_entry type = type_cache_find(&a->types, items[0].type);
    if (hx_topic_jobs(topic, a->prefix, type.queue, items[0].high) < 0)
        return false;
    bool sent = true;
    for (size_t from = 0; from < n && sent; from += type.announce) {
        sent = send_record(a, u, topic, items + from, HX_MIN(type.announce, n - from));
        hx_producer_stay(a->producer,
                         type.announce > 1); /* jobs that take a slot each are for as many workers as there are */
    }
    hx_producer_stay(a->producer, false);
    return sent;
}

void announcer_publish(struct announcer *a, int64_t outbox, struct announcement *items, size_t n) {
    if (n == 0)
        return;
    if (HX_FAIL("submit.before_publish") || (a->first && hx_mono_ms() - a->first->since_ms > PATIENCE_MS)) {
        a->left++;
        return;
    }
    struct unit *u = unit_new(a, outbox);
    sort(items, n);
    for (size_t from = 0, to; from < n && !u->failed; from = to) {
        for (to = from + 1; to < n; to++)
            if (items[to].high != items[from].high || !hx_streq(items[to].type, items[from].type))
                break;
        u->failed = !send_group(a, u, items + from, to - from);
    }
    u->sending = false;
    unit_settle(a, u);
}

/* ---- what became of it ---- */

size_t announcer_take_delivered(struct announcer *a, int64_t **ret) {
    size_t n = a->delivered_count;
    *ret = HX_TAKE(a->delivered);
    a->delivered_count = a->delivered_cap = 0;
    return n;
}

bool announcer_has_delivered(const struct announcer *a) {
    return a->delivered_count > 0;
}

bool announcer_is_busy(const struct announcer *a) {
    return a->units > 0;
}

void announcer_wait(struct announcer *a, int64_t timeout_ms) {
    int64_t deadline = hx_mono_ms() + timeout_ms;
    for (int64_t left; a->units > 0 && (left = deadline - hx_mono_ms()) > 0;)
        if (hx_loop_once(a->loop, (int)left) < 0)
            return;
}

size_t announcer_left(const struct announcer *a) {
    return a->left + a->units;
}

const struct hx_kafka_error *announcer_refusal(const struct announcer *a) {
    return hx_producer_refusal(a->producer);
}
