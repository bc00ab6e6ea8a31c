/* Numbers with units as people write them: durations, sizes, plain integers. All parsers take the whole text or
 * nothing, refuse what overflows, and leave *ret untouched on failure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "250ms" "30s" "5m" "1h" "2d", "0": milliseconds. A number without a unit other than 0 is refused.
 * -EINVAL not of that form (negative included), -ERANGE over INT64_MAX ms. */
int hx_duration_parse(const char *text, int64_t *ret_ms);

/* The shortest exact form: 90000 -> "90s", 300000 -> "5m", 1500 -> "1500ms", 0 -> "0". */
#define HX_DURATION_SIZE 32
void hx_duration_format(int64_t ms, char out[HX_DURATION_SIZE]);

/* "64K" "16M" "1G" "512": bytes, powers of 1024. -EINVAL, -ERANGE. */
int hx_size_parse(const char *text, int64_t *ret_bytes);
#define HX_SIZE_SIZE 32
void hx_size_format(int64_t bytes, char out[HX_SIZE_SIZE]);

/* A decimal integer with an optional sign, within [min, max]. -EINVAL, -ERANGE. */
int hx_int_parse(const char *text, int64_t min, int64_t max, int64_t *ret);
