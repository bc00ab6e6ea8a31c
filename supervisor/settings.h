/* What the supervisor itself reads from configuration and surroundings. */
#pragma once

#include "common/log.h"
#include "lib/config/config.h"

/* The name that tells this fleet from others on the host: service.instance; where that was left alone but the control socket was not,
 * the socket's path. The caller frees. */
char *settings_instance(const struct hx_config *config);
/* The format for us and our children: what `auto` means for our stderr. Never HX_LOG_AUTO. */
enum hx_log_format settings_log_format(const struct hx_config *config);
const char *settings_log_format_name(enum hx_log_format format);
void settings_start_log(const struct hx_config *config);
/* From TERM to KILL of a worker: drain_timeout, kill_grace, and a moment for it to say goodbye. */
int64_t settings_drain_ms(const struct hx_config *config);
/* How long a pulse may stand still: half a lease, but never so short that one beat a second could miss it. */
int64_t settings_still_ms(const struct hx_config *config);
