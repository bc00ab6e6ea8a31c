/* Short-lived clients: making topics, and asking what is there. */
#include "common/clock.h"
#include "common/text.h"
#include "lib/kafka/refusal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    DESTROY_MS = 200, /* how much longer than the deadline ending the client may take */
    ASK_AGAIN_MS = 50,
};

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *user) {
    (void)rk;
    struct hx_kafka_error error;
    hx_kafka_error_of_callback(err, reason, &error);
    if (hx_kafka_is_refusal(&error))
        *(struct hx_kafka_error *)user = error;
}

/* *refusal is filled in when one is heard of, by our own polls alone. */
static int client_new(const struct hx_kafka_options *options, struct hx_kafka_error *refusal, rd_kafka_t **ret,
                      struct hx_kafka_error *reterr) {
    static const struct hx_kafka_setting settings[] = { { "allow.auto.create.topics", "true" } };
    rd_kafka_conf_t *conf;
    int r = hx_kafka_conf_new(options, settings, HX_ARRAY_LEN(settings), &conf, reterr);
    if (r < 0)
        return r;
    *refusal = (struct hx_kafka_error){ 0 };
    rd_kafka_conf_set_opaque(conf, refusal);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_t *rk = hx_kafka_new(RD_KAFKA_PRODUCER, conf, reterr);
    if (!rk)
        return -EINVAL;
    *ret = rk;
    return 0;
}

/* True if the metadata has the topic with at least one partition that has a leader: then it can be used. */
static bool has_topic(const struct rd_kafka_metadata *metadata, const char *name) {
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        if (strcmp(topic->topic, name) != 0)
            continue;
        if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return false;
        for (int p = 0; p < topic->partition_cnt; p++)
            if (topic->partitions[p].leader >= 0)
                return true;
    }
    return false;
}

static void no_answer(rd_kafka_t *rk, rd_kafka_resp_err_t err, struct hx_kafka_error *reterr) {
    const struct hx_kafka_error *refusal = rd_kafka_opaque(rk);
    while (rd_kafka_poll(rk, 0) > 0) /* on_error runs in here */
        ;
    if (refusal->code)
        hx_kafka_error_set(reterr, refusal->code, "%s", refusal->message);
    else
        hx_kafka_error_set(reterr, err, "no broker answers: %s", rd_kafka_err2str(err));
}

/* Asks for all topics, because asking for one by its name may make it. exists may be NULL. 0 or -EAGAIN. */
static int ask(rd_kafka_t *rk, const char *const *topics, size_t count, int64_t deadline, int *ret_brokers,
               bool *ret_exists, struct hx_kafka_error *reterr) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 1, NULL, &metadata, HX_MAX(1, hx_kafka_left(deadline)));
    if (err) {
        no_answer(rk, err, reterr);
        return -EAGAIN;
    }
    *ret_brokers = metadata->broker_cnt;
    for (size_t i = 0; i < count; i++)
        ret_exists[i] = has_topic(metadata, topics[i]);
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

/* What the answer for one topic means: 0 made (or there already), 1 this broker has no admin API, negative errno. */
static int judge(rd_kafka_resp_err_t err, const char *what, const char *why, struct hx_kafka_error *reterr) {
    switch (err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: return 0;
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE: return 1;
    default: break;
    }
    hx_kafka_error_set(reterr, err, "%s: %s", what, why ? why : rd_kafka_err2str(err));
    switch (err) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION: return -EACCES;
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR__INVALID_ARG: return -EINVAL;
    default: return -EAGAIN; /* too few brokers for the replication factor too: some may still be starting */
    }
}

static int judge_event(rd_kafka_event_t *event, struct hx_kafka_error *reterr) {
    int r = judge(rd_kafka_event_error(event), "making topics", rd_kafka_event_error_string(event), reterr);
    if (r != 0)
        return r;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    size_t count = 0;
    const rd_kafka_topic_result_t **topics = result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
    for (size_t i = 0; i < count && r == 0; i++)
        r = judge(rd_kafka_topic_result_error(topics[i]), rd_kafka_topic_result_name(topics[i]),
                  rd_kafka_topic_result_error_string(topics[i]), reterr);
    return r;
}

/* Waits for the answer to the request that was sent with this queue. As judge. */
static int await_answer(rd_kafka_queue_t *queue, int64_t deadline, struct hx_kafka_error *reterr) {
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, hx_kafka_left(deadline));
    if (!event)
        return judge(RD_KAFKA_RESP_ERR__TIMED_OUT, "making topics", NULL, reterr);
    int r = judge_event(event, reterr);
    rd_kafka_event_destroy(event);
    return r;
}

/* Asks the broker to make those topics that exist[] says are missing. As judge. */
static int create(rd_kafka_t *rk, const char *const *topics, const bool *exists, size_t count, int partitions,
                  int replication, int64_t deadline, struct hx_kafka_error *reterr) {
    char why[256];
    int timeout_ms = HX_MAX(1, hx_kafka_left(deadline));
    _cleanup_free_ rd_kafka_NewTopic_t **wanted = hx_allocn(count, sizeof(rd_kafka_NewTopic_t *));
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (exists[i])
            continue;
        wanted[n] = rd_kafka_NewTopic_new(topics[i], partitions, replication, why, sizeof(why));
        if (wanted[n])
            n++;
        else
            r = judge(RD_KAFKA_RESP_ERR__INVALID_ARG, topics[i], why, reterr);
    }
    if (r == 0) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
        rd_kafka_CreateTopics(rk, wanted, n, options, queue);
        r = await_answer(queue, deadline, reterr);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_queue_destroy(queue);
    }
    rd_kafka_NewTopic_destroy_array(wanted, n);
    return r;
}

/* librdkafka's mock cluster has neither an admin API nor a controller, for which a request would wait in vain. */
static bool is_mock(rd_kafka_t *rk) {
    char *id = rd_kafka_clusterid(rk, 0);
    bool mock = id && hx_startswith(id, "mockCluster");
    if (id)
        rd_kafka_mem_free(rk, id);
    return mock;
}

/* A broker that makes topics by itself does so when one is asked for by its name. */
static void ask_for_each(rd_kafka_t *rk, const char *const *topics, const bool *exists, size_t count,
                         int64_t deadline) {
    for (size_t i = 0; i < count; i++) {
        if (exists[i])
            continue;
        rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topics[i], NULL);
        const struct rd_kafka_metadata *metadata;
        if (topic && rd_kafka_metadata(rk, 0, topic, &metadata, HX_MAX(1, hx_kafka_left(deadline))) ==
                         RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_metadata_destroy(metadata);
        if (topic)
            rd_kafka_topic_destroy(topic);
    }
}

static const char *first_missing(const char *const *topics, const bool *exists, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!exists[i])
            return topics[i];
    return NULL;
}

static void pause_ms(int ms) {
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}

static int ensure(rd_kafka_t *rk, const char *const *topics, size_t count, int partitions, int replication,
                  int64_t deadline, struct hx_kafka_error *reterr) {
    _cleanup_free_ bool *exists = hx_allocn(count, sizeof(bool));
    int brokers;
    int r = ask(rk, topics, count, deadline, &brokers, exists, reterr);
    if (r < 0 || !first_missing(topics, exists, count))
        return r;
    r = is_mock(rk) ? 1 : create(rk, topics, exists, count, partitions, replication, deadline, reterr);
    if (r < 0)
        return r;
    bool by_name = r == 1;
    for (;;) { /* a topic is made some time before the brokers show it */
        if (by_name)
            ask_for_each(rk, topics, exists, count, deadline);
        r = ask(rk, topics, count, deadline, &brokers, exists, reterr);
        const char *missing = first_missing(topics, exists, count);
        if (r < 0 || !missing)
            return r;
        if (hx_kafka_left(deadline) == 0) {
            hx_kafka_error_set(reterr, RD_KAFKA_RESP_ERR__TIMED_OUT, "%s: made, but no broker shows it yet", missing);
            return -EAGAIN;
        }
        pause_ms(HX_MIN(ASK_AGAIN_MS, hx_kafka_left(deadline)));
    }
}

int hx_kafka_ensure_topics(const struct hx_kafka_options *options, const char *const *topics, size_t count,
                           int partitions, int replication, int timeout_ms, struct hx_kafka_error *reterr) {
    int64_t deadline = hx_mono_ms() + timeout_ms;
    struct hx_kafka_error refusal;
    rd_kafka_t *rk;
    int r = client_new(options, &refusal, &rk, reterr);
    if (r < 0)
        return r;
    r = ensure(rk, topics, count, partitions, replication, deadline, reterr);
    hx_kafka_destroy(rk, DESTROY_MS);
    return r;
}

int hx_kafka_probe(const struct hx_kafka_options *options, const char *const *topics, size_t count, int timeout_ms,
                   int *ret_brokers, _Bool *ret_exists, struct hx_kafka_error *reterr) {
    int64_t deadline = hx_mono_ms() + timeout_ms;
    struct hx_kafka_error refusal;
    rd_kafka_t *rk;
    int r = client_new(options, &refusal, &rk, reterr);
    if (r < 0)
        return r;
    r = ask(rk, topics, count, deadline, ret_brokers, ret_exists, reterr);
    hx_kafka_destroy(rk, DESTROY_MS);
    return r;
}
