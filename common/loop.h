/* A single-threaded event loop on epoll, with a heap of timers that bounds its waits, one signalfd, and children.
 * Everything may be freed or changed from within any callback, its own included, the loop too. */
#pragma once

#include "common/sender.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct hx_loop;
struct hx_watch;
struct hx_timer;

/* 0 and *ret_loop, or the negative errno of epoll_create1 or signalfd. Blocks SIGCHLD. */
int hx_loop_new(struct hx_loop **ret_loop);
struct hx_loop *hx_loop_free(struct hx_loop *loop); /* frees what is still registered; NULL is fine; returns NULL */
/* Dispatches until hx_loop_stop, or not at all if that was called since the last run. 0, or the negative errno of epoll_wait. */
int hx_loop_run(struct hx_loop *loop);
/* One round: waits at most timeout_ms (-1: for ever) for the first event, dispatches what is ready. */
int hx_loop_once(struct hx_loop *loop, int timeout_ms);
void hx_loop_stop(struct hx_loop *loop);
/* Rounds dispatched so far: the pulse that a supervisor may watch. */
uint64_t hx_loop_rounds(const struct hx_loop *loop);
/* Called before each wait, for work that has no descriptor (a library's queue, a batch to send). One only. */
void hx_loop_set_prepare(struct hx_loop *loop, void (*cb)(void *user), void *user);

typedef void (*hx_watch_cb)(int fd, uint32_t events, void *user); /* events as of epoll: EPOLLIN … */
/* The descriptor stays the caller's. -errno of epoll_ctl. */
int hx_watch_new(struct hx_loop *loop, int fd, uint32_t events, hx_watch_cb cb, void *user, struct hx_watch **ret);
int hx_watch_set(struct hx_watch *watch, uint32_t events);
struct hx_watch *hx_watch_free(struct hx_watch *watch); /* before the descriptor is closed */

typedef void (*hx_timer_cb)(void *user);
struct hx_timer *hx_timer_new(struct hx_loop *loop, hx_timer_cb cb, void *user); /* not armed */
void hx_timer_set(struct hx_timer *timer, int64_t after_ms);                     /* from now; once; 0: next round */
void hx_timer_clear(struct hx_timer *timer);
bool hx_timer_armed(const struct hx_timer *timer);
struct hx_timer *hx_timer_free(struct hx_timer *timer);

typedef void (*hx_signal_cb)(int signo, const struct hx_sender *sender, void *user);
/* Blocks signo in this thread and delivers it through the loop. Call before any other thread is made (librdkafka's
 * threads inherit the mask). Again for the same signal: replaces. -EINVAL for SIGCHLD, which is the loop's own, KILL, STOP.
 * The signals stay blocked when the loop is freed. */
int hx_loop_signal(struct hx_loop *loop, int signo, hx_signal_cb cb, void *user);

typedef void (*hx_child_cb)(pid_t pid, int wait_status, const struct rusage *usage, void *user);
/* Calls cb once when the child pid has ended and been reaped. -ECHILD: not our child; -EEXIST: registered already. */
int hx_loop_child(struct hx_loop *loop, pid_t pid, hx_child_cb cb, void *user);
/* For reaped children that nobody registered (orphans that a subreaper inherits). */
void hx_loop_set_orphan(struct hx_loop *loop, hx_child_cb cb, void *user);
