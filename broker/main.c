/* heimdex-broker: a Kafka for trying things out and for tests, made of librdkafka's mock cluster. In memory only. */
#include "broker/listener.h"
#include "broker/pace.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "lib/config/program.h"
#include "lib/kafka/kafka.h"
#include "lib/notify/notify.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct hx_option options[] = {
    { .name = "listen",
      .argument = "HOST:PORT",
      .help = "where to listen (127.0.0.1:9092, or $HEIMDEX_KAFKA_PORT there); port 0: any" },
};

static const struct hx_program program = {
    .name = "heimdex-broker",
    .synopsis = "[--listen HOST:PORT]",
    .description =
        "A small Kafka broker for development and tests. Everything is in memory and gone when it ends: don't put it "
        "into production. Prints its address when it is ready.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
};

struct broker {
    char *listen; /* HOST:PORT */
    struct hx_loop *loop;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
};

static int on_option(size_t index, const char *value, void *user) {
    (void)index; /* there is one */
    struct broker *b = user;
    free(b->listen);
    b->listen = hx_strdup(value);
    return 0;
}

static int open_listener(struct broker *b) {
    const char *port = getenv("HEIMDEX_KAFKA_PORT");
    const char *said_by = b->listen || !port ? "--listen" : "HEIMDEX_KAFKA_PORT";
    if (!b->listen)
        b->listen = hx_printf("127.0.0.1:%s", port && *port ? port : "9092");
    struct sockaddr_in address;
    const char *why;
    if (hx_listener_parse(b->listen, &address, &why) < 0) {
        hx_complain("%s: %s: %s", said_by, b->listen, why);
        return HX_EXIT_USAGE;
    }
    int r = hx_listener_open(&address);
    if (r < 0) {
        hx_complain("%s: %s", b->listen, strerror(-r));
        return HX_EXIT_UNAVAILABLE;
    }
    return HX_EXIT_OK;
}

static int open_cluster(struct broker *b) {
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    hx_pace_quicken(conf);
    b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (!b->rk) {
        hx_complain("librdkafka: %s", why);
        return HX_EXIT_SOFTWARE;
    }
    b->cluster = rd_kafka_mock_cluster_new(b->rk, 1);
    if (!b->cluster) {
        hx_complain("%s: the cluster could not be started", b->listen);
        return HX_EXIT_UNAVAILABLE;
    }
    return HX_EXIT_OK;
}

static void make_topic(struct broker *b, int made, const char *name, int partitions) {
    if (made == 0)
        rd_kafka_mock_topic_create(b->cluster, name, partitions, 1); /* refuses one that is there, which is fine */
}

/* Those of the configuration. Others are made when they are first asked for, with the mock cluster's 4 partitions. */
static void make_topics(struct broker *b, const struct hx_config *config) {
    const char *prefix = hx_config_string(config, HX_KAFKA_TOPIC_PREFIX);
    int partitions = (int)hx_config_int(config, HX_KAFKA_PARTITIONS);
    char name[HX_TOPIC_SIZE];
    size_t handlers;
    const struct hx_handler_config *handler = hx_config_handlers(config, &handlers);
    for (int high = 0; high <= 1; high++) {
        make_topic(b, hx_topic_jobs(name, prefix, "default", high), name, partitions);
        for (size_t i = 0; i < handlers; i++)
            make_topic(b, hx_topic_jobs(name, prefix, handler[i].queue, high), name, partitions);
    }
    make_topic(b, hx_topic_dead_letter(name, prefix), name, partitions);
}

static void on_signal(int signo, const struct hx_sender *sender, void *user) {
    hx_notify_stopping("stopping");
    (void)signo, (void)sender;
    struct broker *b = user;
    hx_loop_stop(b->loop);
}

static int open_loop(struct broker *b) {
    if (hx_loop_new(&b->loop) < 0 || hx_loop_signal(b->loop, SIGTERM, on_signal, b) < 0 ||
        hx_loop_signal(b->loop, SIGINT, on_signal, b) < 0) {
        hx_complain("event loop: %s", strerror(errno));
        return HX_EXIT_SOFTWARE;
    }
    return HX_EXIT_OK;
}

static void announce(const struct broker *b) {
    fprintf(stderr, "heimdex-broker: for development only: topics and offsets are in memory and gone when it ends\n");
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(b->cluster));
    fflush(stdout);
    hx_notify_ready("for development only: everything is kept in memory");
}

static void close_broker(struct broker *b) {
    if (b->cluster)
        rd_kafka_mock_cluster_destroy(b->cluster);
    if (b->rk)
        rd_kafka_destroy(b->rk);
    hx_loop_free(b->loop);
    free(b->listen);
}

static int run(struct broker *b, const struct hx_arguments *arguments) {
    if (arguments->word_count > 0) {
        hx_complain("%s: unexpected argument", arguments->words[0]);
        return HX_EXIT_USAGE;
    }
    int r = open_listener(b);
    if (r == HX_EXIT_OK)
        r = open_loop(b); /* signals are blocked before there are other threads */
    if (r == HX_EXIT_OK)
        r = open_cluster(b);
    if (r != HX_EXIT_OK)
        return r;
    make_topics(b, arguments->config);
    announce(b);
    return hx_loop_run(b->loop) < 0 ? HX_EXIT_SOFTWARE : HX_EXIT_OK;
}

int main(int argc, char **argv) {
    struct broker broker = { 0 };
    struct hx_arguments arguments = { 0 };
    int r = hx_program_start(&program, argc, argv, on_option, &broker, &arguments);
    if (r < 0)
        r = run(&broker, &arguments);
    close_broker(&broker);
    hx_config_free(arguments.config);
    return r;
}
