#include "lib/kafka/producer.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "lib/kafka/refusal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { DESTROY_MS = 200 };

struct topic {
    rd_kafka_topic_t *handle;
    unsigned turn; /* which partition is next, modulo their number */
    pthread_t owner;
};

struct hx_producer {
    rd_kafka_t *rk;
    pid_t creator;
    int fd; /* readable when the client has something for us */
    struct hx_watch *watch;
    rd_kafka_queue_t *queue;
    struct topic **topics; /* one for each topic used so far: there are few */
    size_t topic_count;
    bool stay;
    hx_delivery_cb cb;
    void *user;
    size_t pending;
    int64_t last_ok_ms;
    bool ending, cut_off;
    struct hx_kafka_error refusal; /* code 0: none since the last good delivery */
};

static const struct hx_kafka_setting settings[] = {
    { "acks", "all" },
    { "enable.idempotence", "false" }, /* claims deduplicate; in 2.0.2 it can turn errors into fatal ones */
    { "max.in.flight.requests.per.connection",
      "1" }, /* what comes meanwhile goes together: a broker works by the request */
    { "linger.ms", "0" },
    { "sticky.partitioning.linger.ms", "0" }, /* our own partitioner decides */
    { "compression.codec", "none" },
    { "message.timeout.ms", "10000" }, /* then the relay tries again */
    { "request.timeout.ms", "5000" },
    { "queue.buffering.max.messages", "100000" },
};

int hx_producer_conf_new(const struct hx_kafka_options *options, rd_kafka_conf_t **ret, struct hx_kafka_error *reterr) {
    return hx_kafka_conf_new(options, settings, HX_ARRAY_LEN(settings), ret, reterr);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *user) {
    (void)rk;
    struct hx_producer *p = user;
    p->pending--;
    if (!message->err) {
        p->last_ok_ms = hx_mono_ms();
        p->refusal.code = 0;
        p->cb(true, NULL, message->_private, p->user);
        return;
    }
    if (p->ending) /* purged: the caller was told that these get no callback */
        return;
    struct hx_kafka_error error;
    hx_kafka_error_set(&error, message->err, "%s",
                       rd_kafka_err2str(message->err)); /* not rd_kafka_message_errstr: that is the payload */
    p->cb(false, &error, message->_private, p->user);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *user) {
    struct hx_producer *p = user; /* each record's fate is in its delivery report */
    p->cut_off |= err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    struct hx_kafka_error error;
    hx_kafka_error_of_callback(err, reason, &error);
    if (hx_kafka_is_refusal(&error))
        p->refusal = error;
    hx_debug(NULL, "%s: %s: %s", rd_kafka_name(rk), rd_kafka_err2name(err), error.message);
}

static void on_event(int fd, uint32_t events, void *user) {
    (void)events;
    struct hx_producer *p = user;
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0) /* first: what comes from now on makes it readable again */
        return;
    while (rd_kafka_poll(p->rk, 0) > 0)
        ;
}

static int connect_to_loop(struct hx_producer *p, struct hx_loop *loop, struct hx_kafka_error *reterr) {
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = p->fd < 0 ? -errno : hx_watch_new(loop, p->fd, EPOLLIN, on_event, p, &p->watch);
    if (r < 0)
        hx_kafka_error_set(reterr, RD_KAFKA_RESP_ERR__FAIL, "%s", strerror(-r));
    return r;
}

/* Takes conf in any case. */
static int open_client(struct hx_producer *p, rd_kafka_conf_t *conf, struct hx_kafka_error *reterr) {
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    hx_kafka_conf_log(conf);
    p->rk = hx_kafka_new(RD_KAFKA_PRODUCER, conf, reterr);
    if (!p->rk)
        return -EINVAL;
    p->queue = rd_kafka_queue_get_main(p->rk);
    rd_kafka_queue_io_event_enable(p->queue, p->fd, &(uint64_t){ 1 }, sizeof(uint64_t));
    return 0;
}

static void disconnect_from_loop(struct hx_producer *p) {
    hx_watch_free(p->watch);
    if (p->fd >= 0)
        close(p->fd);
}

int hx_producer_new(struct hx_loop *loop, const struct hx_kafka_options *options, hx_delivery_cb cb, void *user,
                    struct hx_producer **ret, struct hx_kafka_error *reterr) {
    rd_kafka_conf_t *conf;
    int r = hx_producer_conf_new(options, &conf, reterr);
    if (r < 0)
        return r;
    struct hx_producer *p = hx_alloc(sizeof(*p));
    *p = (struct hx_producer){ .fd = -1, .creator = getpid(), .cb = cb, .user = user };
    r = connect_to_loop(p, loop, reterr);
    if (r < 0)
        rd_kafka_conf_destroy(conf);
    else
        r = open_client(p, conf, reterr);
    if (r < 0) {
        disconnect_from_loop(p);
        free(p);
        return r;
    }
    *ret = p;
    return 0;
}

struct hx_producer *hx_producer_free(struct hx_producer *p, int timeout_ms) {
    if (!p)
        return NULL;
    hx_kafka_assert_owner(p->creator);
    int64_t deadline = hx_mono_ms() + timeout_ms;
    rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(p->queue);
    disconnect_from_loop(p);
    rd_kafka_flush(p->rk, timeout_ms);
    p->ending = true;
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    for (size_t i = 0; i < p->topic_count; i++)
        rd_kafka_topic_destroy(p->topics[i]->handle);
    if (hx_kafka_destroy(p->rk, HX_MAX(DESTROY_MS, hx_kafka_left(deadline)))) {
        for (size_t i = 0; i < p->topic_count; i++)
            free(p->topics[i]);
        free(p->topics);
        free(p);
    } else {
        hx_kafka_keep(p);
    }
    return NULL;
}

/* Records without a key go round, or stay where the one before them went. Those that came before the partitions were known are
 * dealt out by librdkafka's own thread, at random. */
static int32_t choose(const rd_kafka_topic_t *handle, const void *key, size_t size, int32_t partitions, void *user,
                      void *record_user) {
    const struct topic *topic = user;
    if (size > 0 || !pthread_equal(pthread_self(), topic->owner))
        return rd_kafka_msg_partitioner_consistent_random(handle, key, size, partitions, user, record_user);
    for (unsigned i = 0; i < (unsigned)partitions; i++) {
        int32_t partition = (int32_t)((topic->turn + i) % (unsigned)partitions);
        if (rd_kafka_topic_partition_available(handle, partition))
            return partition;
    }
    return (int32_t)(topic->turn % (unsigned)partitions);
}

/* NULL if librdkafka refuses the name. */
static struct topic *topic_of(struct hx_producer *p, const char *name) {
    for (size_t i = 0; i < p->topic_count; i++)
        if (strcmp(rd_kafka_topic_name(p->topics[i]->handle), name) == 0)
            return p->topics[i];
    struct topic *topic = hx_alloc(sizeof(*topic));
    *topic = (struct topic){ .turn = (unsigned)hx_mono_ns(), .owner = pthread_self() };
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(p->rk);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    rd_kafka_topic_conf_set_partitioner_cb(conf, choose);
    topic->handle = rd_kafka_topic_new(p->rk, name, conf);
    if (!topic->handle) {
        free(topic);
        return NULL;
    }
    p->topics = hx_realloc(p->topics, (p->topic_count + 1) * sizeof(struct topic *));
    p->topics[p->topic_count++] = topic;
    return topic;
}

void hx_producer_topic(struct hx_producer *p, const char *topic) {
    hx_kafka_assert_owner(p->creator);
    topic_of(p, topic);
}

void hx_producer_stay(struct hx_producer *p, bool stay) {
    p->stay = stay;
}

int hx_producer_send(struct hx_producer *p, const char *topic, const char *key, const void *data, size_t size,
                     void *record_user, struct hx_kafka_error *reterr) {
    hx_kafka_assert_owner(p->creator);
    struct topic *to = topic_of(p, topic);
    if (!to) {
        hx_kafka_error_set(reterr, RD_KAFKA_RESP_ERR__INVALID_ARG, "%s: not the name of a topic", topic);
        return -EIO;
    }
    to->turn += !p->stay;
    if (!key)
        key = ""; /* records with none at all don't come to a partitioner */
    if (rd_kafka_produce(to->handle, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)data, size, key,
                         strlen(key), record_user) == 0) {
        p->pending++;
        return 0;
    }
    rd_kafka_resp_err_t err = rd_kafka_last_error();
    hx_kafka_error_set(reterr, err, "%s: %s", topic, rd_kafka_err2str(err));
    switch (err) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return -EAGAIN;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return -EMSGSIZE;
    default: return -EIO;
    }
}

size_t hx_producer_pending(const struct hx_producer *p) {
    return p->pending;
}

int64_t hx_producer_last_ok_ms(const struct hx_producer *p) {
    return p->last_ok_ms;
}

bool hx_producer_cut_off(struct hx_producer *p) {
    bool cut_off = p->cut_off;
    p->cut_off = false;
    return cut_off;
}

const struct hx_kafka_error *hx_producer_refusal(const struct hx_producer *p) {
    return p->refusal.code ? &p->refusal : NULL;
}
