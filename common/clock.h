/* Clocks and the two text forms of time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC: for deadlines and timers inside one process. */
int64_t hx_mono_ms(void);
/* Nanoseconds of CLOCK_MONOTONIC: for measuring. */
int64_t hx_mono_ns(void);
/* Milliseconds of CLOCK_BOOTTIME, which goes on while the machine is suspended: for leases. */
int64_t hx_boot_ms(void);
/* Microseconds since 1970-01-01 UTC (CLOCK_REALTIME): for people and for the database. */
int64_t hx_wall_us(void);

/* "2026-11-21T07:29:48.123456Z" and its NUL. */
#define HX_RFC3339_SIZE 28

/* Writes unix_us (microseconds since the epoch, UTC) as RFC 3339 with six decimals; years 0001..9999, else clamps. */
void hx_rfc3339_format(int64_t unix_us, char out[HX_RFC3339_SIZE]);

/* Reads an RFC 3339 date-time (any offset, optional fraction up to 9 digits, 'T' or ' ', 'Z' or "+hh:mm").
 * 0 and *ret_unix_us, or -EINVAL (not of that form, or a day that doesn't exist). */
int hx_rfc3339_parse(const char *text, int64_t *ret_unix_us);
