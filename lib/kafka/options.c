#include "lib/kafka/options.h"

#include <errno.h>

struct hx_kafka_options hx_kafka_configured(const struct hx_config *config, const char *client_id) {
    struct hx_kafka_options options = { .brokers = hx_config_string(config, HX_KAFKA_BROKERS), .client_id = client_id };
    options.properties = hx_config_list(config, HX_KAFKA_PROPERTIES, &options.property_count);
    return options;
}

const char *hx_kafka_culprit(int r) {
    return r == -EINVAL ? "kafka.properties" : "Kafka client";
}
