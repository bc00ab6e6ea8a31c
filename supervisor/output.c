#include "supervisor/output.h"

#include "common/log.h"
#include "common/redact.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    READ_AT_ONCE = 16 * 1024,
    READS_IN_A_ROUND = 4,  /* a child that floods its stderr must not keep the loop */
    READS_AT_THE_END = 64, /* more than a pipe holds */
    LINE_MAX_BYTES = 64 * 1024,
};

struct output {
    struct hx_watch *watch;
    struct hx_evidence *evidence;
    int fd;
    struct hx_buf line;   /* what came behind the last line break */
    bool in_line, logged; /* the beginning of the line was taken already; it is one of the child's log */
    char tail[HX_EVIDENCE_STDERR];
    size_t tail_len;
};

/* The child may write into the evidence: it gets a copy, and is never read back. */
static void keep_tail(struct output *o, const char *data, size_t n) {
    if (n > sizeof(o->tail)) {
        data += n - sizeof(o->tail);
        n = sizeof(o->tail);
    }
    size_t kept = HX_MIN(o->tail_len, sizeof(o->tail) - n);
    memmove(o->tail, o->tail + (o->tail_len - kept), kept);
    memcpy(o->tail + kept, data, n);
    o->tail_len = kept + n;
    memcpy(o->evidence->tail, o->tail, o->tail_len);
    o->evidence->tail_len = (uint32_t)o->tail_len;
}

/* What the child logged is in the log, and may be of any job: only what it printed otherwise tells of its crash (a sanitizer's report,
 * an assertion, what libc says before it aborts). Redacted by whole lines, because the tail may begin inside a secret. */
static void keep_line(struct output *o, const char *line, size_t n) {
    if (!o->in_line)
        o->logged = hx_log_wrote(line, n);
    o->in_line = line[n - 1] != '\n';
    if (o->logged)
        return;
    _cleanup_free_ char *text = hx_alloc(n + 1);
    for (size_t i = 0; i < n; i++)
        text[i] = line[i] ? line[i] : ' ';
    _cleanup_free_ char *safe = hx_redacted(text);
    keep_tail(o, safe, strlen(safe));
}

static void keep_lines(struct output *o, const char *lines, size_t n) {
    while (n > 0) {
        const char *end = memchr(lines, '\n', n);
        size_t len = end ? (size_t)(end - lines) + 1 : n;
        keep_line(o, lines, len);
        lines += len;
        n -= len;
    }
}

/* Whole lines only: children share our stderr, and a reader of JSON must not find two halves on one line. */
static void take_lines(struct output *o) {
    const char *end = o->line.len > 0 ? memrchr(o->line.data, '\n', o->line.len) : NULL;
    size_t n = end ? (size_t)(end - o->line.data) + 1 : o->line.len > LINE_MAX_BYTES ? o->line.len : 0;
    if (n == 0)
        return;
    hx_log_forward(o->line.data, n);
    keep_lines(o, o->line.data, n);
    hx_buf_consume(&o->line, n);
}

/* False: nothing more to read now, or ever. */
static bool read_some(struct output *o) {
    char *at = hx_buf_reserve(&o->line, READ_AT_ONCE);
    ssize_t n = read(o->fd, at, READ_AT_ONCE);
    if (n < 0 && errno == EINTR)
        return true;
    if (n == 0)
        o->watch = hx_watch_free(o->watch);
    if (n <= 0)
        return false;
    o->line.len += (size_t)n;
    take_lines(o);
    return true;
}

static void on_readable(int fd, uint32_t events, void *user) {
    struct output *o = user;
    (void)fd, (void)events;
    for (int i = 0; i < READS_IN_A_ROUND && read_some(o); i++)
        ;
}

int output_new(struct hx_loop *loop, struct hx_evidence *evidence, struct output **ret, int *ret_write_fd) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    struct output *o = hx_alloc(sizeof(*o));
    o->evidence = evidence;
    o->fd = fds[0];
    /* Only our end: the child may use plain blocking writes. */
    int r = fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    if (r == 0)
        r = hx_watch_new(loop, fds[0], EPOLLIN, on_readable, o, &o->watch);
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        free(o);
        return r;
    }
    *ret = o;
    *ret_write_fd = fds[1];
    return 0;
}

void output_finish(struct output *o) {
    for (int i = 0; o->watch && i < READS_AT_THE_END && read_some(o); i++)
        ;
    if (o->line.len > 0) {
        hx_buf_putc(&o->line, '\n');
        take_lines(o);
    }
}

const char *output_tail(const struct output *o, size_t *ret_len) {
    *ret_len = o->tail_len;
    return o->tail;
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
