/* Starts a daemon's log from its configuration. */
#pragma once

#include "lib/config/config.h"

/* hx_log_init with log.format, log.level and service.environment, then the event `starting` with the redacted configuration. who
 * names this process among its kind ("host/main/0"), or NULL. */
void hx_config_start_log(const struct hx_config *config, const char *service, const char *who);
/* The event `starting` alone: sentence, and the configuration, whole as JSON, in text what isn't default. */
void hx_config_log_starting(const struct hx_config *config, const char *who, const char *sentence);
