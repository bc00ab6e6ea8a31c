/* One event in words. */
#pragma once

#include "common/text.h"
#include "lib/json/json.h"

/* What the detail says that matters to people: "attempt 2, exit_1: no such file, again in 4s"; nothing for null. */
void event_summary(const json_t *detail, struct hx_buf *out);
/* "queued", "queued -> running"; an event that changes no status: "running". */
void event_change(const json_t *event, struct hx_buf *out);
