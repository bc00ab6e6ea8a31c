#include "common/loop.h"

#include "common/log.h"
#include "common/loop_internal.h"
#include "common/text.h"

#include <errno.h>
#include <sys/epoll.h>

enum { READY_MAX = 64 };

/* ---- watches ---- */

int hx_watch_new(struct hx_loop *loop, int fd, uint32_t events, hx_watch_cb cb, void *user, struct hx_watch **ret) {
    struct hx_watch *watch = hx_alloc(sizeof(*watch));
    *watch = (struct hx_watch){ .loop = loop, .cb = cb, .user = user, .fd = fd, .events = events };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = events, .data.ptr = watch }) <
        0) {
        int r = -errno;
        free(watch);
        return r;
    }
    watch->next = loop->watches;
    if (watch->next)
        watch->next->prev = watch;
    loop->watches = watch;
    *ret = watch;
    return 0;
}

int hx_watch_set(struct hx_watch *watch, uint32_t events) {
    struct epoll_event event = { .events = events, .data.ptr = watch };
    if (events == watch->events)
        return 0;
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
        return -errno;
    watch->events = events;
    return 0;
}

static void watch_unlink(struct hx_watch *watch) {
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        watch->loop->watches = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
}

struct hx_watch *hx_watch_free(struct hx_watch *watch) {
    if (!watch)
        return NULL;
    struct hx_loop *loop = watch->loop;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch_unlink(watch);
    if (loop->depth == 0) {
        free(watch);
        return NULL;
    }
    watch->dead = true;
    watch->next = loop->garbage;
    loop->garbage = watch;
    return NULL;
}

static void garbage_free(struct hx_loop *loop) {
    while (loop->garbage) {
        struct hx_watch *watch = loop->garbage;
        loop->garbage = watch->next;
        free(watch);
    }
}

/* ---- the loop ---- */

int hx_loop_new(struct hx_loop **ret_loop) {
    struct hx_loop *loop = hx_alloc(sizeof(*loop));
    int r = 0;
    loop->signal_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        r = -errno;
    if (r == 0)
        r = hx_loop_signals_init(loop);
    if (r < 0) {
        hx_loop_free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

struct hx_loop *hx_loop_free(struct hx_loop *loop) {
    if (!loop)
        return NULL;
    if (loop->depth > 0) {
        loop->doomed = loop->stopped = true;
        return NULL;
    }
    hx_loop_timers_free(loop);
    hx_loop_signals_free(loop);
    while (loop->watches)
        hx_watch_free(loop->watches);
    garbage_free(loop);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop);
    return NULL;
}

/* An event may be stale by now: its watch freed, or no longer interested, by a callback before it. */
static void dispatch(struct hx_loop *loop, const struct epoll_event *ready, int n) {
    for (int i = 0; i < n && !loop->doomed; i++) {
        const struct hx_watch *watch = ready[i].data.ptr;
        if (watch->dead)
            continue;
        uint32_t events = ready[i].events & (watch->events | EPOLLERR | EPOLLHUP);
        if (events != 0)
            watch->cb(watch->fd, events, watch->user);
    }
}

/* What waits for the journal must not wait for the next event. */
static int wait_ms(const struct hx_loop *loop, int timeout_ms) {
    int flush_ms = hx_log_flush();
    if (flush_ms >= 0 && (timeout_ms < 0 || flush_ms < timeout_ms))
        timeout_ms = flush_ms;
    return hx_loop_timers_wait(loop, timeout_ms);
}

/* Timers before descriptors: what a descriptor's callback sets to 0 is due in the next round. */
static int round_once(struct hx_loop *loop, int timeout_ms) {
    struct epoll_event ready[READY_MAX];
    if (loop->prepare)
        loop->prepare(loop->prepare_user);
    if (loop->doomed)
        return 0;
    if (loop->stopped || loop->reap)
        timeout_ms = 0;
    int n = epoll_wait(loop->epoll_fd, ready, READY_MAX, wait_ms(loop, timeout_ms));
    if (n < 0 && errno != EINTR)
        return -errno;
    loop->rounds++;
    hx_loop_timers_run(loop);
    dispatch(loop, ready, n);
    if (loop->reap && !loop->doomed)
        hx_loop_reap(loop);
    return 0;
}

/* *ret_gone: the loop was freed from within and must not be touched any more. */
static int round_guarded(struct hx_loop *loop, int timeout_ms, bool *ret_gone) {
    loop->depth++;
    int r = round_once(loop, timeout_ms);
    loop->depth--;
    *ret_gone = false;
    if (loop->depth == 0) {
        garbage_free(loop);
        *ret_gone = loop->doomed;
        if (loop->doomed)
            hx_loop_free(loop);
    }
    return r;
}

int hx_loop_once(struct hx_loop *loop, int timeout_ms) {
    bool gone;
    return round_guarded(loop, timeout_ms, &gone);
}

int hx_loop_run(struct hx_loop *loop) {
    while (!loop->stopped) {
        bool gone;
        int r = round_guarded(loop, -1, &gone);
        if (gone || r < 0)
            return r;
    }
    if (!loop->doomed)
        loop->stopped = false;
    return 0;
}

void hx_loop_stop(struct hx_loop *loop) {
    loop->stopped = true;
}

uint64_t hx_loop_rounds(const struct hx_loop *loop) {
    return loop->rounds;
}

void hx_loop_set_prepare(struct hx_loop *loop, void (*cb)(void *user), void *user) {
    loop->prepare = cb;
    loop->prepare_user = user;
}
