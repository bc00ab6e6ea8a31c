/* Why a broker that is there is of no use: it refuses us, or we its certificate. For the files of this folder only. */
#pragma once

#include "lib/kafka/handle.h"

/* Has librdkafka tell us what is wrong with a certificate; what it accepts stays its own decision. */
void hx_kafka_refusal_watch(rd_kafka_conf_t *conf);

/* Fills in *ret from what an error callback of librdkafka is given. Where a certificate is refused, the message says why. */
void hx_kafka_error_of_callback(int code, const char *reason, struct hx_kafka_error *ret);
