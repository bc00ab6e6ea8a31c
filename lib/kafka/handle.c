#include "lib/kafka/handle.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/text.h"
#include "lib/kafka/refusal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* What producers, consumers and the admin client have in common. */
static const struct hx_kafka_setting shared_settings[] = {
    { "socket.nagle.disable", "true" },
    { "socket.keepalive.enable", "true" },
    { "socket.timeout.ms", "10000" }, /* a silent broker is left after this, default 60 s */
    { "socket.connection.setup.timeout.ms", "5000" },
    { "reconnect.backoff.max.ms", "2000" },            /* default 10 s: too long after a broker's restart */
    { "topic.metadata.refresh.interval.ms", "10000" }, /* default 5 min: new and re-created topics are noticed */
    { "log.connection.close", "false" },
};

void hx_kafka_error_set(struct hx_kafka_error *reterr, int code, const char *fmt, ...) {
    if (!reterr)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    _cleanup_free_ char *redacted = hx_redacted(text);
    reterr->code = code;
    hx_strcopy(reterr->message, sizeof(reterr->message), redacted);
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct hx_kafka_error *reterr) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return 0;
    hx_kafka_error_set(reterr, RD_KAFKA_RESP_ERR__INVALID_ARG, "%s: %s", name, why);
    return -EINVAL;
}

static int set_all(rd_kafka_conf_t *conf, const struct hx_kafka_setting *settings, size_t count,
                   struct hx_kafka_error *reterr) {
    for (size_t i = 0; i < count; i++) {
        int r = set(conf, settings[i].name, settings[i].value, reterr);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool names_secret(const char *name) {
    return strcasestr(name, "password") || strcasestr(name, "secret") || strcasestr(name, "key.pem");
}

/* A property of the user's: "name=value". */
static int set_property(rd_kafka_conf_t *conf, const char *property, struct hx_kafka_error *reterr) {
    const char *equals = strchr(property, '=');
    if (!equals || equals == property) {
        hx_kafka_error_set(reterr, RD_KAFKA_RESP_ERR__INVALID_ARG, "\"%s\" is not of the form name=value", property);
        return -EINVAL;
    }
    _cleanup_free_ char *name = hx_strndup(property, (size_t)(equals - property));
    if (names_secret(name))
        hx_redact_secret(equals + 1);
    return set(conf, name, equals + 1, reterr);
}

int hx_kafka_conf_new(const struct hx_kafka_options *options, const struct hx_kafka_setting *settings, size_t count,
                      rd_kafka_conf_t **ret, struct hx_kafka_error *reterr) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    hx_kafka_refusal_watch(conf);
    int r = options->brokers ? set(conf, "bootstrap.servers", options->brokers, reterr) : 0;
    if (r == 0 && options->client_id)
        r = set(conf, "client.id", options->client_id, reterr);
    if (r == 0)
        r = set_all(conf, shared_settings, HX_ARRAY_LEN(shared_settings), reterr);
    if (r == 0)
        r = set_all(conf, settings, count, reterr);
    for (size_t i = 0; r == 0 && i < options->property_count; i++)
        r = set_property(conf, options->properties[i], reterr);
    if (r < 0) {
        rd_kafka_conf_destroy(conf);
        return r;
    }
    *ret = conf;
    return 0;
}

static void log_line(const rd_kafka_t *rk, int level, const char *facility, const char *line) {
    (void)level;
    hx_debug(NULL, "%s: %s: %s", rk ? rd_kafka_name(rk) : "librdkafka", facility, line);
}

void hx_kafka_conf_log(rd_kafka_conf_t *conf) {
    if (!hx_log_enabled(HX_LOG_DEBUG))
        return;
    rd_kafka_conf_set_log_cb(conf, log_line);
    rd_kafka_conf_set(conf, "log.queue", "true", NULL, 0);
}

rd_kafka_t *hx_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct hx_kafka_error *reterr) {
    char log_queue[8] = "";
    size_t size = sizeof(log_queue);
    rd_kafka_conf_get(conf, "log.queue", log_queue, &size);

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    char why[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!rk) {
        rd_kafka_conf_destroy(conf); /* rd_kafka_new takes it only when it succeeds */
        hx_kafka_error_set(reterr, RD_KAFKA_RESP_ERR__INVALID_ARG, "%s", why);
        return NULL;
    }
    if (hx_streq(log_queue, "true"))
        rd_kafka_set_log_queue(rk, NULL);
    return rk;
}

static void *destroy(void *rk) {
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

static bool start_thread(pthread_t *ret, void *(*run)(void *), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(ret, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == 0;
}

bool hx_kafka_destroy(rd_kafka_t *rk, int timeout_ms) {
    pthread_t thread;
    if (!start_thread(&thread, destroy, rk))
        return false;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
        return true;
    pthread_detach(thread);
    return false;
}

void hx_kafka_keep(void *memory) {
    static struct kept {
        struct kept *next;
        void *memory;
    } * all;
    struct kept *kept = hx_alloc(sizeof *kept);
    *kept = (struct kept){ all, memory };
    all = kept;
}

int hx_kafka_left(int64_t deadline_ms) {
    int64_t left = deadline_ms - hx_mono_ms();
    return left <= 0 ? 0 : (int)HX_MIN(left, INT_MAX);
}

void hx_kafka_assert_owner(pid_t creator) {
    assert(getpid() == creator);
    (void)creator;
}
