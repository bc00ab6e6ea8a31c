/* sd_notify, exact: each call is one datagram to $NOTIFY_SOCKET, or nothing where there is none. From the main pid only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void hx_notify_ready(const char *status);
void hx_notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void hx_notify_stopping(const char *status);
void hx_notify_reloading(void); /* with MONOTONIC_USEC */
void hx_notify_watchdog(void);
void hx_notify_extend_timeout(int64_t ms);
/* Half of WATCHDOG_USEC in ms when the watchdog is on for this pid, else 0. */
int64_t hx_notify_watchdog_interval_ms(void);
