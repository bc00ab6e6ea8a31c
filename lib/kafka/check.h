/* Would librdkafka take kafka.properties, each for itself and all together? */
#pragma once

#include "lib/config/config.h"

/* For struct hx_program's check. Talks to no broker. 0, or HX_EXIT_CONFIG, complained of; user is ignored. */
int hx_kafka_check(const struct hx_config *config, void *user);
