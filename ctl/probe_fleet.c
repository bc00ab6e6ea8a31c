/* doctor: the supervisor's control socket. */
#include "common/clock.h"
#include "ctl/doctor.h"
#include "ctl/row.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { TIMEOUT_MS = 1000, ANSWER_MAX = 4 << 20 };

#define REQUEST "{\"op\":\"status\"}\n"

static int open_socket(const char *path, int *ret) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    hx_strcopy(address.sun_path, sizeof address.sun_path, path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -errno;
    *ret = fd;
    fd = -1;
    return 0;
}

/* Waits until the descriptor is ready or the deadline is over. 0 or -ETIMEDOUT. */
static int await(int fd, short events, int64_t deadline_ms) {
    for (;;) {
        int64_t left = deadline_ms - hx_mono_ms();
        int n = left > 0 ? poll(&(struct pollfd){ .fd = fd, .events = events }, 1, (int)left) : 0;
        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
    }
}

/* The supervisor's answer, a line. 0 or -errno. */
static int ask(int fd, int64_t deadline_ms, struct hx_buf *answer) {
    if (send(fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL) < 0)
        return -errno;
    while (!memchr(answer->data ? answer->data : "", '\n', answer->len)) {
        int r = await(fd, POLLIN, deadline_ms);
        if (r < 0 || answer->len > ANSWER_MAX)
            return r < 0 ? r : -EMSGSIZE;
        ssize_t n = recv(fd, hx_buf_reserve(answer, 4096), 4096, 0);
        if (n == 0)
            return -ECONNRESET;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        answer->len += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void find_failure(struct doctor *d, int64_t started, const char *path, int error) {
    if (error == -ENOENT || error == -ECONNREFUSED)
        doctor_find(d, "fleet", FINDING_FAILURE, started, "systemctl start heimdex-supervisor",
                    "no supervisor runs here (%s)", path);
    else if (error == -EACCES)
        doctor_find(d, "fleet", FINDING_FAILURE, started, "sudo heimdexctl doctor, or join the group heimdex",
                    "%s: may not be opened", path);
    else if (error == -ETIMEDOUT || error == -EAGAIN)
        doctor_find(d, "fleet", FINDING_FAILURE, started, "systemctl restart heimdex-supervisor",
                    "the supervisor does not answer within a second (%s)", path);
    else
        doctor_find(d, "fleet", FINDING_FAILURE, started, "journalctl -u heimdex-supervisor", "%s: %s", path,
                    strerror(-error));
}

static void find_answer(struct doctor *d, int64_t started, const struct hx_buf *text) {
    _cleanup_json_ json_t *answer = json_loadb(text->data, text->len, 0, NULL);
    const char *status = row_string(answer, "status"), *error = row_string(answer, "error");
    if (row_bool(answer, "ready"))
        doctor_find(d, "fleet", FINDING_OK, started, NULL, "%s", status ? status : "ready");
    else
        doctor_find(d, "fleet", FINDING_FAILURE, started, "journalctl -u heimdex-supervisor", "%s",
                    status  ? status
                    : error ? error
                            : "the supervisor's answer makes no sense");
}

void probe_fleet(struct doctor *d) {
    const char *path = hx_config_string(d->ctl->config, HX_SUPERVISOR_CONTROL_SOCKET);
    int64_t started = hx_mono_ns(), deadline = hx_mono_ms() + TIMEOUT_MS;
    _cleanup_close_ int fd = -1;
    _cleanup_buf_ struct hx_buf answer = { 0 };
    int r = open_socket(path, &fd);
    if (r == 0)
        r = ask(fd, deadline, &answer);
    if (r < 0)
        find_failure(d, started, path, r);
    else
        find_answer(d, started, &answer);
}
