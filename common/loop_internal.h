/* What the parts of the loop know of each other. Nothing outside common/loop*.c includes it. */
#pragma once

#include "common/loop.h"

#include <signal.h>
#include <stddef.h>

struct hx_watch {
    struct hx_loop *loop;
    struct hx_watch *prev, *next; /* in loop->watches; only next in loop->garbage */
    hx_watch_cb cb;
    void *user;
    int fd;
    uint32_t events;
    bool dead; /* freed, but a list of ready events may still name it */
};

struct hx_timer {
    struct hx_loop *loop;
    struct hx_timer *prev, *next; /* in loop->timers */
    hx_timer_cb cb;
    void *user;
    int64_t due_ns;    /* CLOCK_MONOTONIC */
    uint64_t sequence; /* order of setting: who is due at the same time fires in it */
    size_t place;      /* index in loop->heap, or NOT_ARMED */
};

#define NOT_ARMED SIZE_MAX

struct child {
    struct child *next;
    pid_t pid;
    hx_child_cb cb;
    void *user;
};

enum { CHILD_BUCKETS = 64 };

struct hx_loop {
    int epoll_fd;
    int depth;    /* rounds under way: more than one where a callback runs a round itself */
    bool stopped; /* until hx_loop_run has returned */
    bool doomed;  /* freed from within a callback: goes when the outermost round is over */
    uint64_t rounds;
    void (*prepare)(void *user);
    void *prepare_user;

    struct hx_watch *watches, *garbage;

    struct hx_timer *timers;
    struct hx_timer **heap; /* binary, earliest first */
    size_t heap_len, heap_cap;
    uint64_t timer_sequence;

    int signal_fd;
    sigset_t signal_mask;
    struct hx_watch *signal_watch;
    struct signal_taker {
        hx_signal_cb cb;
        void *user;
    } signals[_NSIG];

    struct child *children[CHILD_BUCKETS];
    hx_child_cb orphan_cb;
    void *orphan_user;
    bool reap; /* there may be something to wait for although no SIGCHLD will come */
};

/* loop_timer.c */
int hx_loop_timers_wait(const struct hx_loop *loop, int timeout_ms); /* at most until the first is due */
void hx_loop_timers_run(struct hx_loop *loop);
void hx_loop_timers_free(struct hx_loop *loop);

/* loop_signal.c */
int hx_loop_signals_init(struct hx_loop *loop);
void hx_loop_signals_free(struct hx_loop *loop);
void hx_loop_reap(struct hx_loop *loop);
