/* The events of the log that an operator may have to act on. In the journal each has a MESSAGE_ID, by which `journalctl -x` finds what
 * systemd/heimdex.catalog says of it; docs/journal.md lists them. An id is never used for anything else again. */
#pragma once

#include <stddef.h>

struct hx_log_event {
    const char *name; /* of the context of a line: "child.died" */
    const char *id;   /* 32 hex digits */
    const char *subject;
};

extern const struct hx_log_event hx_log_events[];
extern const size_t hx_log_event_count;

/* NULL: it is none of these. */
const struct hx_log_event *hx_log_event_find(const char *name);
