#include "lib/kafka/check.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "lib/kafka/handle.h"
#include "lib/kafka/options.h"

#include <errno.h>

enum { DESTROY_MS = 1000 };

static int complain(const struct hx_config *config, size_t i, const struct hx_kafka_error *error) {
    hx_complain("%s: %s: %s", hx_config_where(config, HX_KAFKA_PROPERTIES, i), hx_config_key_name(HX_KAFKA_PROPERTIES),
                error->message);
    return HX_EXIT_CONFIG;
}

/* A client that is told of no broker: it starts, and does nothing. */
static int try_client(rd_kafka_type_t type, const struct hx_kafka_options *options, struct hx_kafka_error *reterr) {
    rd_kafka_conf_t *conf;
    int r = type == RD_KAFKA_PRODUCER ? hx_producer_conf_new(options, &conf, reterr)
                                      : hx_consumer_conf_new(options, "heimdex", &conf, reterr);
    if (r < 0)
        return r;
    rd_kafka_t *rk = hx_kafka_new(type, conf, reterr);
    if (!rk)
        return -EINVAL;
    hx_kafka_destroy(rk, DESTROY_MS);
    return 0;
}

int hx_kafka_check(const struct hx_config *config, void *user) {
    (void)user;
    struct hx_kafka_options options = hx_kafka_configured(config, NULL);
    struct hx_kafka_error error;
    options.brokers = NULL;
    for (size_t i = 0; i < options.property_count; i++) {
        struct hx_kafka_options one = { .properties = options.properties + i, .property_count = 1 };
        rd_kafka_conf_t *conf;
        if (hx_kafka_conf_new(&one, NULL, 0, &conf, &error) < 0)
            return complain(config, i, &error);
        rd_kafka_conf_destroy(conf);
    }
    if (try_client(RD_KAFKA_PRODUCER, &options, &error) < 0 || try_client(RD_KAFKA_CONSUMER, &options, &error) < 0)
        return complain(config, SIZE_MAX, &error);
    return 0;
}
