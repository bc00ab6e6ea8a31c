#include "lib/kafka/consumer.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "lib/kafka/consumer_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    TICK_MS = 500, /* without a call for max.poll.interval.ms we would lose the membership, however idle we are */
    SLICE_MS = 50,
    DESTROY_MS = 200,
};

static const struct hx_kafka_setting settings[] = {
    { "enable.auto.offset.store", "false" }, /* we store an offset when the records before it are claimed */
    { "enable.auto.commit", "true" },
    { "auto.commit.interval.ms", "1000" }, /* each of its timers has librdkafka spin for half a millisecond */
    { "auto.offset.reset", "earliest" },
    { "partition.assignment.strategy", "roundrobin,range" },
    { "session.timeout.ms", "10000" },
    { "heartbeat.interval.ms", "1000" },    /* how soon a rebalance is noticed */
    { "allow.auto.create.topics", "true" }, /* the embedded broker makes a topic when it is asked for */
    { "enable.partition.eof", "false" },
    /* How much is fetched ahead. 2.0.2 asks a partition again only after a second once these were exceeded (fetch.queue.backoff.ms
     * is younger), so they are above what a worker takes in that time. One bounds many small records, the other large ones. */
    { "queued.min.messages", "5000" },
    { "queued.max.messages.kbytes", "2048" },
    { "fetch.message.max.bytes", "262144" },
    { "fetch.max.bytes", "1048576" },
    { "fetch.min.bytes", "1" },
    { "fetch.wait.max.ms",
      "250" }, /* the embedded broker answers only then; a real one at once when it has something */
    { "fetch.error.backoff.ms", "100" },
};

/* ---- the loop ---- */

static void on_event(int fd, uint32_t events, void *user) {
    (void)events;
    struct hx_consumer *c = user;
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0) /* first: what comes from now on makes it readable again */
        return;
    hx_consumer_serve(c);
    if (!c->paused)
        c->callbacks.ready(c->user); /* last: it may close us */
}

/* Also wakes a caller that left records lying: the descriptor only tells of queues that were empty. */
static void on_tick(void *user) {
    struct hx_consumer *c = user;
    hx_timer_set(c->tick, TICK_MS);
    hx_consumer_serve(c);
    if (!c->rk || c->paused)
        return;
    if (c->stray || rd_kafka_queue_length(c->high) || rd_kafka_queue_length(c->low))
        c->callbacks.ready(c->user);
}

/* ---- making one ---- */

static rd_kafka_topic_partition_list_t *subscription_of(const struct hx_consumer_options *options) {
    size_t count = options->high_count + options->low_count;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < options->high_count; i++)
        rd_kafka_topic_partition_list_add(list, options->high_topics[i], RD_KAFKA_PARTITION_UA);
    for (size_t i = 0; i < options->low_count; i++)
        rd_kafka_topic_partition_list_add(list, options->low_topics[i], RD_KAFKA_PARTITION_UA);
    return list;
}

static void remember_high(struct hx_consumer *c, const struct hx_consumer_options *options) {
    c->high_topics = hx_allocn(options->high_count, sizeof(char *));
    c->high_count = options->high_count;
    for (size_t i = 0; i < options->high_count; i++)
        c->high_topics[i] = hx_strdup(options->high_topics[i]);
}

int hx_consumer_conf_new(const struct hx_kafka_options *options, const char *group, rd_kafka_conf_t **ret,
                         struct hx_kafka_error *reterr) {
    struct hx_kafka_setting own[HX_ARRAY_LEN(settings) + 1];
    memcpy(own, settings, sizeof(settings));
    own[HX_ARRAY_LEN(settings)] = (struct hx_kafka_setting){ "group.id", group };
    return hx_kafka_conf_new(options, own, HX_ARRAY_LEN(own), ret, reterr);
}

static int configure(struct hx_consumer *c, const struct hx_consumer_options *options, rd_kafka_conf_t **ret,
                     struct hx_kafka_error *reterr) {
    rd_kafka_conf_t *conf;
    int r = hx_consumer_conf_new(&options->kafka, options->group, &conf, reterr);
    if (r < 0)
        return r;
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_rebalance_cb(conf, hx_consumer_on_rebalance);
    rd_kafka_conf_set_error_cb(conf, hx_consumer_on_error);
    hx_kafka_conf_log(conf);
    if (options->instance_id) {
        c->dynamic = rd_kafka_conf_dup(conf);
        rd_kafka_conf_set(conf, "group.instance.id", options->instance_id, NULL, 0);
    }
    *ret = conf;
    return 0;
}

static int connect_to_loop(struct hx_consumer *c, struct hx_loop *loop, struct hx_kafka_error *reterr) {
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = c->fd < 0 ? -errno : hx_watch_new(loop, c->fd, EPOLLIN, on_event, c, &c->watch);
    if (r < 0) {
        hx_kafka_error_set(reterr, RD_KAFKA_RESP_ERR__FAIL, "%s", strerror(-r));
        return r;
    }
    c->tick = hx_timer_new(loop, on_tick, c);
    hx_timer_set(c->tick, TICK_MS);
    return 0;
}

static void free_memory(struct hx_consumer *c) {
    hx_watch_free(c->watch);
    hx_timer_free(c->tick);
    if (c->fd >= 0)
        close(c->fd);
    if (c->dynamic)
        rd_kafka_conf_destroy(c->dynamic);
    rd_kafka_topic_partition_list_destroy(c->subscription);
    rd_kafka_topic_partition_list_destroy(c->assigned);
    for (size_t i = 0; i < c->high_count; i++)
        free(c->high_topics[i]);
    free(c->high_topics);
    free(c);
}

int hx_consumer_new(struct hx_loop *loop, const struct hx_consumer_options *options,
                    const struct hx_consumer_callbacks *callbacks, void *user, struct hx_consumer **ret,
                    struct hx_kafka_error *reterr) {
    struct hx_consumer *c = hx_alloc(sizeof(*c));
    *c = (struct hx_consumer){ .fd = -1, .creator = getpid(), .callbacks = *callbacks, .user = user };
    remember_high(c, options);
    c->subscription = subscription_of(options);
    c->assigned = rd_kafka_topic_partition_list_new(0);
    rd_kafka_conf_t *conf = NULL;
    int r = configure(c, options, &conf, reterr);
    if (r == 0)
        r = connect_to_loop(c, loop, reterr);
    if (r == 0)
        r = hx_consumer_open_client(c, HX_TAKE(conf), reterr);
    if (r < 0) {
        if (conf)
            rd_kafka_conf_destroy(conf);
        hx_consumer_close(c, 0);
        return r;
    }
    *ret = c;
    return 0;
}

/* ---- using it ---- */

static rd_kafka_message_t *take(struct hx_consumer *c, rd_kafka_queue_t *queue) {
    rd_kafka_message_t *message;
    while ((message = rd_kafka_consume_queue(queue, 0))) {
        if (!message->err)
            break;
        hx_consumer_report_message(c, message);
        rd_kafka_message_destroy(message);
    }
    return message;
}

bool hx_consumer_poll(struct hx_consumer *c, bool prefer_low, struct hx_record *ret) {
    hx_kafka_assert_owner(c->creator);
    if (c->paused || !c->rk)
        return false;
    rd_kafka_message_t *message = HX_TAKE(c->stray);
    bool high = message && hx_consumer_is_high(c, rd_kafka_topic_name(message->rkt));
    if (!message) {
        message = take(c, prefer_low ? c->low : c->high);
        high = !prefer_low;
    }
    if (!message) {
        message = take(c, prefer_low ? c->high : c->low);
        high = prefer_low;
    }
    if (!message)
        return false;
    *ret = (struct hx_record){
        .topic = rd_kafka_topic_name(message->rkt),
        .partition = message->partition,
        .offset = message->offset,
        .data = message->payload,
        .size = message->len,
        .high = high,
        .handle = message,
    };
    return true;
}

void hx_record_free(struct hx_record *record) {
    if (record->handle)
        rd_kafka_message_destroy(record->handle);
    record->handle = NULL;
}

void hx_consumer_store(struct hx_consumer *c, const char *topic, int32_t partition, int64_t next_offset) {
    hx_kafka_assert_owner(c->creator);
    if (!c->rk)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = next_offset;
    rd_kafka_offsets_store(c->rk, list); /* refuses partitions that aren't ours any more, which is right */
    rd_kafka_topic_partition_list_destroy(list);
}

void hx_consumer_pause(struct hx_consumer *c, bool paused) {
    /* What was fetched ahead stays where it is, and full queues stop the fetching: rd_kafka_pause_partitions would throw
     * it away and fetch it again. */
    if (c->paused && !paused)
        hx_timer_set(c->tick, 0);
    c->paused = paused;
}

bool hx_consumer_assigned(const struct hx_consumer *c) {
    return c->assigned->cnt > 0;
}

/* ---- the end ---- */

void hx_consumer_leave(struct hx_consumer *c) {
    hx_kafka_assert_owner(c->creator);
    if (c->leaving)
        return;
    c->paused = c->leaving = true;
    if (c->stray) /* else it would stand before the revocation, which is served from the same queue */
        rd_kafka_message_destroy(HX_TAKE(c->stray));
    if (c->rk)
        rd_kafka_unsubscribe(c->rk);
}

/* A static member says nothing when it closes, and its partitions would be unread for a session timeout. One that unsubscribes first
 * sends LeaveGroup like any other; its member id is empty once that is on its way. A worker that crashes says nothing either way, and
 * has its partitions back when it is started again. */
static void unsubscribe(struct hx_consumer *c, int64_t deadline) {
    rd_kafka_unsubscribe(c->rk);
    for (bool member = true; member && hx_kafka_left(deadline) > 0;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(c->rk, HX_MIN(10, hx_kafka_left(deadline)));
        if (message)
            rd_kafka_message_destroy(message);
        char *id = rd_kafka_memberid(c->rk);
        member = id && *id;
        if (id)
            rd_kafka_mem_free(c->rk, id);
    }
}

/* Leaves the group, committing what is stored. False at the deadline: with a broker that is silent it can take for ever. */
static bool leave(struct hx_consumer *c, int64_t deadline) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
    rd_kafka_error_destroy(rd_kafka_consumer_close_queue(c->rk, queue));
    while (!rd_kafka_consumer_closed(c->rk) && hx_kafka_left(deadline) > 0) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(queue, HX_MIN(SLICE_MS, hx_kafka_left(deadline)));
        if (message)
            rd_kafka_message_destroy(message);
    }
    rd_kafka_queue_destroy(queue);
    return rd_kafka_consumer_closed(c->rk);
}

struct hx_consumer *hx_consumer_close(struct hx_consumer *c, int timeout_ms) {
    if (!c)
        return NULL;
    hx_kafka_assert_owner(c->creator);
    int64_t deadline = hx_mono_ms() + timeout_ms;
    c->closing = true;
    if (!c->rk) {
        free_memory(c);
        return NULL;
    }
    hx_consumer_let_go_of_queues(c); /* records that nobody took would hold the client up */
    unsubscribe(c, hx_mono_ms() + timeout_ms / 2);
    if (leave(c, deadline) && hx_kafka_destroy(c->rk, HX_MAX(DESTROY_MS, hx_kafka_left(deadline)))) {
        free_memory(c);
        return NULL;
    }
    /* Its threads go on with callbacks that point to c, so c stays; it only leaves the loop. */
    hx_watch_free(c->watch);
    hx_timer_free(c->tick);
    hx_kafka_keep(c);
    return NULL;
}
