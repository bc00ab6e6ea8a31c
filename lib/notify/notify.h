/* sd_notify, exact: each call is one datagram to $NOTIFY_SOCKET, or nothing where there is none. From the main pid only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* We are a service, systemd's or somebody's who does as it does. */
bool hx_notify_is_heard(void);
void hx_notify_ready(const char *status);
void hx_notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void hx_notify_stopping(const char *status);
void hx_notify_reloading(void); /* with MONOTONIC_USEC */
void hx_notify_watchdog(void);
void hx_notify_extend_timeout(int64_t ms);
/* Has systemd keep a copy of the descriptor, under that name in place of any other, while the service is restarted
 * (FileDescriptorStoreMax= of its unit): the next start is passed it. False where no systemd has started us. */
bool hx_notify_keep(int fd, const char *name);
/* The listening unix stream socket of that path among what systemd passed us ($LISTEN_FDS): from a start before this one, or from a
 * socket unit; CLOEXEC, non-blocking, the caller's to close. -ENOENT: there is none. All others are closed; a second call finds none. */
int hx_notify_take_socket(const char *path);
/* Half of WATCHDOG_USEC in ms when the watchdog is on for this pid, else 0. */
int64_t hx_notify_watchdog_interval_ms(void);
