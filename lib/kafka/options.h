/* What clients are told, from the configuration. */
#pragma once

#include "lib/config/config.h"
#include "lib/kafka/kafka.h"

/* Its strings are the configuration's, and client_id the caller's. */
struct hx_kafka_options hx_kafka_configured(const struct hx_config *config, const char *client_id);
/* What kept a client from being made, given the result: the key whose value librdkafka refuses, or else the client as such. */
const char *hx_kafka_culprit(int r);
