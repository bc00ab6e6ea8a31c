/* The consumer's librdkafka client: opened, served, and replaced when another process takes our group.instance.id. */
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "lib/kafka/consumer_internal.h"
#include "lib/kafka/refusal.h"

#include <errno.h>

/* A missing topic or an absent broker is an error a second for each partition: one of a kind in a while is enough. */
static bool said_lately(struct hx_consumer *c, int code) {
    int64_t now = hx_mono_ms();
    struct hx_said *oldest = &c->said[0];
    for (size_t i = 0; i < HX_ARRAY_LEN(c->said); i++) {
        struct hx_said *said = &c->said[i];
        if (said->code == code && said->at_ms > now - HX_CONSUMER_ERROR_INTERVAL_MS)
            return true;
        if (said->code == code || said->at_ms < oldest->at_ms)
            oldest = said;
    }
    *oldest = (struct hx_said){ code, now };
    return false;
}

static void tell(struct hx_consumer *c, bool fatal, const struct hx_kafka_error *error) {
    if (c->closing || c->leaving || !c->callbacks.error || (said_lately(c, error->code) && !fatal))
        return;
    c->callbacks.error(error, fatal, c->user);
}

static void report(struct hx_consumer *c, bool fatal, int code, const char *what, const char *why) {
    struct hx_kafka_error error;
    hx_kafka_error_set(&error, code, "%s%s%s", what, *what ? ": " : "", why);
    tell(c, fatal, &error);
}

void hx_consumer_on_error(rd_kafka_t *rk, int err, const char *reason, void *user) {
    (void)rk;
    if (err == RD_KAFKA_RESP_ERR__FATAL) /* see check_fatal */
        return;
    struct hx_kafka_error error;
    hx_kafka_error_of_callback(err, reason, &error);
    tell(user, false, &error);
}

/* A message of librdkafka's that carries an error instead of a record. It goes on fetching by itself. */
void hx_consumer_report_message(struct hx_consumer *c, const rd_kafka_message_t *message) {
    if (message->err != RD_KAFKA_RESP_ERR__FATAL) /* see check_fatal */
        report(c, false, message->err, message->rkt ? rd_kafka_topic_name(message->rkt) : "",
               rd_kafka_message_errstr(message));
}

int hx_consumer_open_client(struct hx_consumer *c, rd_kafka_conf_t *conf, struct hx_kafka_error *reterr) {
    c->rk = hx_kafka_new(RD_KAFKA_CONSUMER, conf, reterr);
    if (!c->rk)
        return -EINVAL;
    rd_kafka_poll_set_consumer(c->rk);
    c->events = rd_kafka_queue_get_consumer(c->rk);
    c->high = rd_kafka_queue_new(c->rk);
    c->low = rd_kafka_queue_new(c->rk);
    rd_kafka_queue_t *queues[] = { c->events, c->high, c->low };
    for (size_t i = 0; i < HX_ARRAY_LEN(queues); i++)
        rd_kafka_queue_io_event_enable(queues[i], c->fd, &(uint64_t){ 1 }, sizeof(uint64_t));
    rd_kafka_resp_err_t err = rd_kafka_subscribe(c->rk, c->subscription);
    if (err) {
        hx_kafka_error_set(reterr, err, "subscribing: %s", rd_kafka_err2str(err));
        return -EINVAL;
    }
    return 0;
}

void hx_consumer_let_go_of_queues(struct hx_consumer *c) {
    rd_kafka_queue_t *queues[] = { c->events, c->high, c->low };
    for (size_t i = 0; i < HX_ARRAY_LEN(queues); i++) {
        rd_kafka_queue_io_event_enable(queues[i], -1, NULL, 0);
        rd_kafka_queue_destroy(queues[i]);
    }
    if (c->stray)
        rd_kafka_message_destroy(c->stray);
    c->stray = NULL;
}

/* Another process has our group.instance.id now, and librdkafka gives a fenced client up: a new one, without it. */
static void reopen_as_dynamic(struct hx_consumer *c) {
    hx_consumer_forget_assignment(c); /* librdkafka says nothing of it */
    hx_consumer_let_go_of_queues(c);
    hx_kafka_destroy(HX_TAKE(c->rk), 0);
    struct hx_kafka_error error;
    if (hx_consumer_open_client(c, HX_TAKE(c->dynamic), &error) < 0)
        report(c, true, error.code, "", error.message);
}

/* 2.0.2 calls nobody when a consumer is fenced, so its fatal error is asked for. */
static void check_fatal(struct hx_consumer *c) {
    char why[256] = "";
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(c->rk, why, sizeof(why));
    if (!err || c->dead || c->leaving)
        return;
    bool can_go_on = err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && c->dynamic;
    c->dead = !can_go_on;
    report(c, c->dead, err, "", why);
    if (can_go_on)
        reopen_as_dynamic(c);
}

/* Rebalances, errors and log lines: their callbacks run in here. */
void hx_consumer_serve(struct hx_consumer *c) {
    rd_kafka_message_t *message;
    while (c->rk && !c->stray && (message = rd_kafka_consumer_poll(c->rk, 0))) {
        if (!message->err && !c->leaving) {
            c->stray = message;
            break;
        }
        if (message->err)
            hx_consumer_report_message(c, message);
        rd_kafka_message_destroy(message);
    }
    if (c->rk)
        check_fatal(c);
}
