/* One line of a batch: {"type":…,"payload":…,"org_id","priority","idempotency_key","requested_by","run_at","max_attempts",
 * "timeout"}, all but the type optional, null as good as absent. */
#pragma once

#include "lib/ledger/ledger.h"
#include "producer/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINE_WHY = 320 };

/* A line may be this much longer than its payload. */
#define LINE_MARGIN ((size_t)64 << 10)

/* Nothing but white space: to be skipped. */
bool line_is_blank(const char *text, size_t n);
/* Reads n bytes. 0 and *ret, whose strings lie in the arena (id and traceparent are not set); or -EINVAL and why, one line for
 * people, without the values of the line. */
int line_parse(const char *text, size_t n, size_t max_payload, struct arena *arena, struct hx_new_job *ret,
               char why[static LINE_WHY]);
