/* Writing to stderr without ever waiting for whoever reads it. */
#include "common/log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

static struct {
    int fd;  /* what to write to */
    int own; /* a second, non-blocking way to the same pipe or terminal, or -1 */
    enum {
        PLAIN,  /* a file: never waits for a reader */
        SOCKET, /* has a flag for it */
        OWN,    /* our own O_NONBLOCK */
        POLLED, /* none of these: only as much at once as a pipe that polls writable takes for sure */
    } way;
    atomic_bool torn; /* the last line was cut short: the next one starts on a new line */
} out = { .fd = STDERR_FILENO, .own = -1, .way = POLLED };

/* O_NONBLOCK on the descriptor itself would reach everyone who shares it, the user's shell among them. */
static int reopen(int fd) {
    char name[32];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    int own = open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0 || own > STDERR_FILENO)
        return own;
    int higher = fcntl(own, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(own);
    return higher;
}

void hx_log_write_init(int fd) {
    struct stat st;
    if (out.own >= 0)
        close(out.own);
    out.own = -1;
    out.fd = fd;
    out.way = POLLED;
    atomic_store(&out.torn, false);
    if (fstat(fd, &st) < 0)
        return;
    if (S_ISREG(st.st_mode)) {
        out.way = PLAIN;
    } else if (S_ISSOCK(st.st_mode)) {
        out.way = SOCKET;
    } else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        out.own = reopen(fd);
        if (out.own >= 0)
            out.way = OWN;
    }
}

static ssize_t write_some(const char *data, size_t len) {
    switch (out.way) {
    case SOCKET: return send(out.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case OWN: return write(out.own, data, len);
    case PLAIN: return write(out.fd, data, len);
    case POLLED: break;
    }
    struct pollfd poll_fd = { .fd = out.fd, .events = POLLOUT };
    if (poll(&poll_fd, 1, 0) != 1 || (poll_fd.revents & POLLOUT) == 0) {
        errno = poll_fd.revents & POLLNVAL ? EBADF : EAGAIN;
        return -1;
    }
    return write(out.fd, data, HX_MIN(len, (size_t)PIPE_BUF));
}

static int write_all(const char *data, size_t len, size_t *ret_done) {
    bool torn = atomic_exchange(&out.torn, false);
    if (torn && write_some("\n", 1) != 1) {
        atomic_store(&out.torn, true);
        return -EAGAIN;
    }
    size_t done = 0;
    int r = 0;
    while (r == 0 && done < len) {
        ssize_t n = write_some(data + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            r = n < 0 ? -errno : -EAGAIN;
    }
    if (r < 0)
        atomic_store(&out.torn, done > 0 && data[done - 1] != '\n');
    *ret_done = done;
    return r;
}

/* A reader that is gone must not kill us, nor may a log change what the program does about SIGPIPE: the signal, which
 * comes to the thread that wrote, is held back and taken away. True: it was held back already, and is not ours. */
static bool hold_sigpipe(sigset_t *pipe_only) {
    sigset_t before;
    sigemptyset(pipe_only);
    sigaddset(pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, pipe_only, &before);
    return sigismember(&before, SIGPIPE);
}

static void release_sigpipe(const sigset_t *pipe_only, bool came) {
    if (came)
        sigtimedwait(pipe_only, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_UNBLOCK, pipe_only, NULL);
}

int hx_log_write(const char *data, size_t len, size_t *ret_done) {
    sigset_t pipe_only;
    *ret_done = 0;
    if (out.way == PLAIN || out.way == SOCKET)
        return write_all(data, len, ret_done);
    bool held_before = hold_sigpipe(&pipe_only);
    int r = write_all(data, len, ret_done);
    if (!held_before)
        release_sigpipe(&pipe_only, r == -EPIPE);
    return r;
}

void hx_log_write_patiently(const char *data, size_t len) {
    sigset_t pipe_only;
    struct pollfd writable = { .fd = STDERR_FILENO, .events = POLLOUT };
    bool held_before = hold_sigpipe(&pipe_only), gone = false;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(STDERR_FILENO, data + done, len - done);
        gone = n < 0 && errno == EPIPE;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR && (errno != EAGAIN || poll(&writable, 1, 1000) <= 0))
            break;
    }
    if (!held_before)
        release_sigpipe(&pipe_only, gone);
}
