/* The loop's signals and children: one signalfd for both. */
#include "common/loop_internal.h"
#include "common/text.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

enum {
    SIGNALS_AT_ONCE = 16,
    REAPED_AT_ONCE = 64, /* a storm of dying orphans must not keep timers and descriptors waiting */
};

/* ---- signals ---- */

static void tell_signal(const struct signal_taker *taker, const struct signalfd_siginfo *info) {
    const struct hx_sender sender = {
        .pid = (pid_t)info->ssi_pid,
        .uid = info->ssi_uid,
        .certain = info->ssi_code == SI_USER || info->ssi_code == SI_TKILL || info->ssi_code == SI_KERNEL,
    };
    taker->cb((int)info->ssi_signo, &sender, taker->user);
}

static void on_signal_fd(int fd, uint32_t events, void *user) {
    struct hx_loop *loop = user;
    struct signalfd_siginfo info[SIGNALS_AT_ONCE];
    (void)events;
    ssize_t n = read(fd, info, sizeof(info));
    for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(info[0]) && !loop->doomed; i++) {
        uint32_t signo = info[i].ssi_signo;
        if (signo == SIGCHLD)
            loop->reap = true;
        else if (signo < _NSIG && loop->signals[signo].cb)
            tell_signal(&loop->signals[signo], &info[i]);
    }
}

/* Blocks before it widens the signalfd: in between, a signal stays pending and isn't lost. */
static int signal_take(struct hx_loop *loop, int signo) {
    sigset_t one;
    sigemptyset(&one);
    if (sigaddset(&one, signo) < 0)
        return -errno;
    if (pthread_sigmask(SIG_BLOCK, &one, NULL) != 0)
        return -EINVAL;
    sigaddset(&loop->signal_mask, signo);
    int fd = signalfd(loop->signal_fd, &loop->signal_mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    loop->signal_fd = fd;
    return 0;
}

int hx_loop_signals_init(struct hx_loop *loop) {
    sigemptyset(&loop->signal_mask);
    int r = signal_take(loop, SIGCHLD);
    if (r < 0)
        return r;
    return hx_watch_new(loop, loop->signal_fd, EPOLLIN, on_signal_fd, loop, &loop->signal_watch);
}

int hx_loop_signal(struct hx_loop *loop, int signo, hx_signal_cb cb, void *user) {
    if (signo <= 0 || signo >= _NSIG || signo == SIGCHLD || signo == SIGKILL || signo == SIGSTOP)
        return -EINVAL;
    int r = signal_take(loop, signo);
    if (r < 0)
        return r;
    loop->signals[signo].cb = cb;
    loop->signals[signo].user = user;
    return 0;
}

/* The signals stay blocked: one that is pending now would otherwise end the process on its way out. */
void hx_loop_signals_free(struct hx_loop *loop) {
    loop->signal_watch = hx_watch_free(loop->signal_watch);
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    loop->signal_fd = -1;
    for (size_t i = 0; i < CHILD_BUCKETS; i++) {
        while (loop->children[i]) {
            struct child *child = loop->children[i];
            loop->children[i] = child->next;
            free(child);
        }
    }
}

/* ---- children ---- */

/* Where the pointer to the child stands, or to the NULL where it would be put. */
static struct child **child_find(struct hx_loop *loop, pid_t pid) {
    struct child **at = &loop->children[(size_t)pid % CHILD_BUCKETS];
    while (*at && (*at)->pid != pid)
        at = &(*at)->next;
    return at;
}

int hx_loop_child(struct hx_loop *loop, pid_t pid, hx_child_cb cb, void *user) {
    siginfo_t info = { 0 };
    if (pid <= 0)
        return -EINVAL;
    struct child **at = child_find(loop, pid);
    if (*at)
        return -EEXIST;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return -errno;
    if (info.si_pid == pid)
        loop->reap = true; /* ended already; its SIGCHLD may have been sent before the loop was there to see it */
    *at = hx_alloc(sizeof(**at));
    **at = (struct child){ .pid = pid, .cb = cb, .user = user };
    return 0;
}

void hx_loop_set_orphan(struct hx_loop *loop, hx_child_cb cb, void *user) {
    loop->orphan_cb = cb;
    loop->orphan_user = user;
}

void hx_loop_reap(struct hx_loop *loop) {
    for (int i = 0; i < REAPED_AT_ONCE && !loop->doomed; i++) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0) {
            loop->reap = false;
            return;
        }
        struct child **at = child_find(loop, pid), *child = *at;
        if (child) {
            struct child ended = *child;
            *at = child->next;
            free(child); /* first: the callback may register a new child of the same number */
            ended.cb(pid, status, &usage, ended.user);
        } else if (loop->orphan_cb) {
            loop->orphan_cb(pid, status, &usage, loop->orphan_user);
        }
    }
}
