#include "worker/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct output {
    int fd;
    struct hx_watch *watch;
    struct hx_buf line;
    size_t max;
    bool cut;
    output_cb cb;
    void *user;
};

static void end_line(struct output *o) {
    o->cb(o->line.data ? o->line.data : "", o->line.len, o->cut, o->user);
    hx_buf_clear(&o->line);
    o->cut = false;
}

static void take(struct output *o, const char *bytes, size_t n) {
    size_t room = o->max - HX_MIN(o->max, o->line.len);
    o->cut |= n > room;
    hx_buf_append(&o->line, bytes, HX_MIN(n, room));
}

static void split(struct output *o, const char *bytes, size_t n) {
    const char *newline;
    while ((newline = memchr(bytes, '\n', n))) {
        size_t len = (size_t)(newline - bytes);
        take(o, bytes, len);
        end_line(o);
        bytes += len + 1;
        n -= len + 1;
    }
    take(o, bytes, n);
}

/* One read. false: nothing there, or the end. */
static bool read_some(struct output *o) {
    char bytes[16384];
    ssize_t n = read(o->fd, bytes, sizeof bytes);
    if (n > 0)
        split(o, bytes, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        o->watch = hx_watch_free(o->watch);
    return n > 0;
}

static void readable(int fd, uint32_t events, void *user) {
    (void)fd, (void)events;
    read_some(user);
}

struct output *output_new(struct hx_loop *loop, int fd, size_t max_line, output_cb cb, void *user) {
    struct output *o = hx_alloc(sizeof *o);
    *o = (struct output){ .fd = fd, .max = max_line, .cb = cb, .user = user };
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    hx_watch_new(loop, fd, EPOLLIN, readable, o, &o->watch);
    return o;
}

void output_drain(struct output *o) {
    /* A pipe holds at most a megabyte; a daemon that goes on writing doesn't keep us here. */
    for (int i = 0; i < 64 && read_some(o); i++)
        ;
    if (o->line.len || o->cut)
        end_line(o);
}

struct output *output_free(struct output *o) {
    if (!o)
        return NULL;
    hx_watch_free(o->watch);
    close(o->fd);
    hx_buf_reset(&o->line);
    free(o);
    return NULL;
}
