#include "lib/notify/notify.h"

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

/* The protocol is one assignment a line: a line break inside a status would become another assignment. */
static void append_status(struct hx_buf *out, const char *status) {
    hx_buf_puts(out, "STATUS=");
    for (; *status; status++)
        hx_buf_putc(out, (unsigned char)*status < 0x20 || *status == 0x7f ? ' ' : *status);
}

static void notify(const char *assignment, const char *status) {
    _cleanup_buf_ struct hx_buf message = { 0 };
    hx_buf_puts(&message, assignment);
    if (status) {
        if (message.len > 0)
            hx_buf_putc(&message, '\n');
        append_status(&message, status);
    }
    sd_notify(0, message.data); /* nothing listens, or systemd is gone: neither is a reason to stop */
}

bool hx_notify_is_heard(void) {
    const char *socket = getenv("NOTIFY_SOCKET");
    return socket && *socket;
}

void hx_notify_ready(const char *status) {
    notify("READY=1", status);
}

void hx_notify_status(const char *fmt, ...) {
    _cleanup_buf_ struct hx_buf status = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&status, fmt, ap);
    va_end(ap);
    notify("", status.data ? status.data : "");
}

void hx_notify_stopping(const char *status) {
    notify("STOPPING=1", status);
}

void hx_notify_reloading(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    _cleanup_free_ char *message = hx_printf("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                                             (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
    notify(message, NULL);
}

void hx_notify_watchdog(void) {
    notify("WATCHDOG=1", NULL);
}

void hx_notify_extend_timeout(int64_t ms) {
    if (ms <= 0)
        return;
    _cleanup_free_ char *message =
        hx_printf("EXTEND_TIMEOUT_USEC=%" PRId64, ms > INT64_MAX / 1000 ? INT64_MAX : ms * 1000);
    notify(message, NULL);
}

int64_t hx_notify_watchdog_interval_ms(void) {
    uint64_t usec = 0;
    if (sd_watchdog_enabled(0, &usec) <= 0)
        return 0;
    return HX_MAX((int64_t)1, (int64_t)(usec / 2 / 1000));
}

bool hx_notify_keep(int fd, const char *name) {
    if (!getenv("INVOCATION_ID")) /* systemd.exec(5): every unit has one */
        return false;
    _cleanup_free_ char *forget = hx_printf("FDSTOREREMOVE=1\nFDNAME=%s", name);
    _cleanup_free_ char *keep = hx_printf("FDSTORE=1\nFDNAME=%s", name);
    notify(forget, NULL);
    return sd_pid_notify_with_fds(0, 0, keep, &fd, 1) > 0;
}

int hx_notify_take_socket(const char *path) {
    int found = -ENOENT, n = sd_listen_fds(1);
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
        if (found < 0 && sd_is_socket_unix(fd, SOCK_STREAM, 1, path, 0) > 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
            found = fd;
        else
            close(fd);
    }
    return found;
}
