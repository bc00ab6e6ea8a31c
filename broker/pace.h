/* The mock cluster waits by the clock where a broker would not: 3 s for a group's first members, nearly the session timeout
 * for each later rebalance, the whole fetch.wait.max.ms before an empty fetch is looked at again. None of it can be set in
 * librdkafka 2.0.2. So its thread lives HX_PACE times faster: this program has a clock_gettime and a poll of its own. */
#pragma once

#include <librdkafka/rdkafka.h>

enum { HX_PACE = 4 };

/* Lets the mock cluster's thread of a client made with conf run at that pace. */
void hx_pace_quicken(rd_kafka_conf_t *conf);
