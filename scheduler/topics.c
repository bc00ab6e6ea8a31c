#include "scheduler/scheduler.h"

#include "common/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* The fleet's topics are made when they are missing: at the start, when a type brings a new queue, and when a delivery failed. librdkafka
 * offers that as calls that block, so a helper thread makes them; it has all it needs by value or from the configuration, and touches
 * nothing else of ours. */

enum { EVERY_MS = 10000, HELPER_MS = 8000, TOPICS_A_QUEUE = 2 };

struct topics {
    struct scheduler *scheduler;
    int fd; /* an eventfd: the helper has ended */
    struct hx_watch *watch;
    char **queues;                  /* all that are known, "default" first */
    size_t queue_count, made_count; /* the topics of the first made_count are there */
    bool complained, unreachable;

    /* The helper's, from its start to its end. */
    pthread_t helper;
    bool running;
    struct hx_kafka_options options;
    int partitions, replication;
    char (*names)[HX_TOPIC_SIZE];
    const char **pointers;
    size_t name_count, for_queues;
    int result;
    struct hx_kafka_error error;
};

static void *help(void *user) {
    struct topics *t = user;
    t->result = hx_kafka_ensure_topics(&t->options, t->pointers, t->name_count, t->partitions, t->replication,
                                       HELPER_MS, &t->error);
    uint64_t one = 1;
    while (write(t->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

static void name_topics(struct topics *t) {
    const char *prefix = hx_config_string(t->scheduler->config, HX_KAFKA_TOPIC_PREFIX);
    size_t n = 0, most = t->queue_count * TOPICS_A_QUEUE + 1;
    t->names = hx_realloc(t->names, most * sizeof *t->names);
    t->pointers = hx_realloc(t->pointers, most * sizeof *t->pointers);
    for (size_t i = 0; i < t->queue_count; i++)
        n += hx_topic_jobs(t->names[n], prefix, t->queues[i], false) == 0 &&
                     hx_topic_jobs(t->names[n + 1], prefix, t->queues[i], true) == 0
                 ? TOPICS_A_QUEUE
                 : 0;
    n += hx_topic_dead_letter(t->names[n], prefix) == 0;
    for (size_t i = 0; i < n; i++)
        t->pointers[i] = t->names[i];
    t->name_count = n;
    t->for_queues = t->queue_count;
}

static void start_helper(struct topics *t) {
    HX_FAIL_HERE("topics.before_make");
    const struct hx_config *c = t->scheduler->config;
    name_topics(t);
    t->options = scheduler_kafka(t->scheduler, "heimdex-topics");
    t->partitions = (int)hx_config_int(c, HX_KAFKA_PARTITIONS);
    t->replication = (int)hx_config_int(c, HX_KAFKA_REPLICATION_FACTOR);
    int r = hx_thread_new(help, t, &t->helper);
    t->running = r == 0;
    if (r)
        hx_warning(NULL, "can't start a thread to make topics: %s, retrying", strerror(-r));
}

static void complain(struct topics *t) {
    if (t->complained)
        return;
    t->complained = true;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "topics.failed";
    hx_warning(&ctx, "Kafka: %s, retrying", t->error.message);
}

static void helped(int fd, uint32_t events, void *user) {
    struct topics *t = user;
    uint64_t count;
    (void)events;
    if (read(fd, &count, sizeof count) < 0)
        return;
    pthread_join(t->helper, NULL); /* it has said its last word */
    HX_FAIL_HERE("topics.after_make");
    t->running = false;
    t->unreachable = t->result == -EAGAIN;
    relay_open(t->scheduler->relay);
    if (t->result < 0) {
        complain(t);
        return;
    }
    t->complained = false;
    t->made_count = t->for_queues;
    for (size_t i = 0; i < t->name_count; i++)
        relay_topic(t->scheduler->relay, t->names[i]);
    hx_info(NULL, "%zu topics are there", t->name_count);
}

void topics_look(struct topics *t) {
    if (t->made_count < t->queue_count && !t->running)
        start_helper(t);
}

static void add_queue(struct topics *t, const char *queue) {
    if (!hx_topic_name_valid(queue))
        return;
    for (size_t i = 0; i < t->queue_count; i++)
        if (hx_streq(t->queues[i], queue))
            return;
    t->queues = hx_realloc(t->queues, (t->queue_count + 1) * sizeof *t->queues);
    t->queues[t->queue_count++] = hx_strdup(queue);
}

static bool ask(struct scheduler *s, struct hx_pg_tx *tx) {
    (void)s;
    hx_ledger_types(tx);
    return true;
}

static int64_t answer(struct scheduler *s, const struct hx_pg_tx *tx) {
    struct topics *t = s->topics;
    for (int row = 0; row < hx_pg_rows(tx, 0); row++)
        add_queue(t, hx_ledger_read_type(tx, 0, row).queue);
    topics_look(t);
    return TASK_RHYTHM;
}

const struct task_kind types_kind = { .name = "types", .every_ms = EVERY_MS, .ask = ask, .answer = answer };

int topics_new(struct scheduler *s, struct topics **ret) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct topics *t = hx_alloc(sizeof *t);
    *t = (struct topics){ .scheduler = s, .fd = fd };
    int r = hx_watch_new(s->loop, fd, EPOLLIN, helped, t, &t->watch);
    if (r < 0) {
        topics_free(t);
        return r;
    }
    add_queue(t, "default");
    *ret = t;
    return 0;
}

struct topics *topics_free(struct topics *t) {
    if (!t)
        return NULL;
    t->watch = hx_watch_free(t->watch);
    if (t->running)
        return t;
    close(t->fd);
    for (size_t i = 0; i < t->queue_count; i++)
        free(t->queues[i]);
    free(t->queues);
    free(t->names);
    free(t->pointers);
    free(t);
    return NULL;
}

void topics_doubt(struct topics *t) {
    t->made_count = 0; /* the next look at the types makes what is missing */
}

bool topics_unreachable(const struct topics *t) {
    return t->unreachable;
}
