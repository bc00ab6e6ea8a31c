#include "producer/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    struct hx_loop *loop;
    int fd;
    bool file; /* a regular file: has no reader to wait for */
    int error;
    struct hx_watch *watch; /* while the reader is slow */
    struct hx_buf buf;
};

struct output *output_new(struct hx_loop *loop, int fd) {
    struct stat st;
    struct output *out = hx_alloc(sizeof(*out));
    *out = (struct output){ .loop = loop, .fd = fd };
    out->file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    return out;
}

struct output *output_free(struct output *out) {
    if (!out)
        return NULL;
    hx_watch_free(out->watch);
    hx_buf_reset(&out->buf);
    free(out);
    return NULL;
}

struct hx_buf *output_buffer(struct output *out) {
    return &out->buf;
}

/* O_NONBLOCK would reach everyone who shares the descriptor, the user's shell among them. But a pipe that polls writable takes
 * PIPE_BUF bytes for sure. */
static ssize_t write_some(const struct output *out, const char *data, size_t n) {
    if (out->file)
        return write(out->fd, data, n);
    struct pollfd writable = { .fd = out->fd, .events = POLLOUT };
    if (poll(&writable, 1, 0) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(out->fd, data, HX_MIN(n, (size_t)PIPE_BUF));
}

static void on_writable(int fd, uint32_t events, void *user) {
    (void)fd, (void)events;
    output_flush(user);
}

static void wait_for_reader(struct output *out) {
    if (!out->watch && out->error == 0) {
        int r = hx_watch_new(out->loop, out->fd, EPOLLOUT, on_writable, out, &out->watch);
        if (r < 0)
            out->error = r;
    }
}

void output_flush(struct output *out) {
    size_t done = 0;
    bool full = false;
    while (done < out->buf.len && !full && out->error == 0) {
        ssize_t n = write_some(out, out->buf.data + done, out->buf.len - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            full = true;
        else if (errno != EINTR)
            out->error = -errno;
    }
    if (out->error < 0)
        hx_buf_clear(&out->buf);
    else
        hx_buf_consume(&out->buf, done);
    if (full)
        wait_for_reader(out);
    else
        out->watch = hx_watch_free(out->watch);
}

size_t output_pending(const struct output *out) {
    return out->buf.len;
}

int output_error(const struct output *out) {
    return out->error;
}

int output_drain(struct output *out) {
    output_flush(out);
    while (out->buf.len > 0 && out->error == 0) {
        int r = hx_loop_once(out->loop, -1);
        if (r < 0)
            return r;
    }
    return out->error;
}
