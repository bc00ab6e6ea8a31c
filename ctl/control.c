#include "ctl/control.h"

#include "common/clock.h"
#include "common/text.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ANSWER_MAX = 4 << 20 };

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

/* The answer, a line. 0 or -errno. */
static int ask(int fd, const char *question, int64_t deadline_ms, struct hx_buf *answer) {
    _cleanup_free_ char *line = hx_printf("%s\n", question);
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
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

int control_ask(const char *path, const char *question, int64_t timeout_ms, json_t **ret) {
    int64_t deadline_ms = hx_mono_ms() + timeout_ms;
    _cleanup_close_ int fd = -1;
    _cleanup_buf_ struct hx_buf answer = { 0 };
    int r = open_socket(path, &fd);
    if (r == 0)
        r = ask(fd, question, deadline_ms, &answer);
    if (r < 0)
        return r == -EAGAIN ? -ETIMEDOUT : r; /* EAGAIN: so many wait already that we may not */
    json_t *object = json_loadb(answer.data, answer.len, 0, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return -EPROTO;
    }
    *ret = object;
    return 0;
}

const char *control_trouble(int error) {
    switch (error) {
    case -ENOENT:
    case -ECONNREFUSED: return "no supervisor runs here";
    case -EACCES: return "may not be opened";
    case -ETIMEDOUT: return "the supervisor does not answer";
    case -EPROTO: return "the supervisor's answer makes no sense";
    default: return strerror(-error);
    }
}
