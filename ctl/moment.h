/* Times as operators write and read them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* RFC 3339, or a duration: that long before now. Microseconds. 0 or -EINVAL. */
int moment_parse(const char *text, int64_t now_us, int64_t *ret_us);

#define MOMENT_SIZE 48
/* "2026-11-21T07:29:48Z"; HX_NO_TIME: "-". */
void moment_format(int64_t us, char out[MOMENT_SIZE]);
/* "now", "42s ago", "3m ago", "5h ago", "12d ago"; of the future "in 3m". Rounded down. */
void moment_age(int64_t us, int64_t now_us, char out[MOMENT_SIZE]);
/* "2026-11-21T07:29:48Z (3m ago)"; HX_NO_TIME: "-". */
void moment_both(int64_t us, int64_t now_us, char out[MOMENT_SIZE]);
/* The span alone: "42s", "3m". */
void moment_span(int64_t span_us, char out[MOMENT_SIZE]);
