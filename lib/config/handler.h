/* One entry of `handlers`, checked. */
#pragma once

#include "lib/config/source.h"
#include "lib/config/state.h"

#include <libconfig.h>

/* Checks a group of the list and appends it to c's handlers. 0, or -EINVAL with *e naming file, line and member. */
int hx_handler_load(struct hx_config *c, const struct hx_source *s, const config_setting_t *group,
                    struct hx_config_error *e);
/* Appends one that was checked before; strings must live as long as c. */
void hx_handler_append(struct hx_config *c, const struct hx_handler_config *handler, const char *where);
/* One with everything unset but the queue. */
struct hx_handler_config hx_handler_unset(void);
/* Warns (hx_config_warn) of every program that can't be started as things are: for --check-config. No error: it may come with the
 * next package, or lie on other hosts only. */
void hx_handler_check_programs(struct hx_config *c);
/* The members' names, types and ranges as Markdown table rows, for docs/configuration.md. */
void hx_handler_document(struct hx_buf *out);
