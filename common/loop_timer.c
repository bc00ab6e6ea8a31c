/* The loop's timers: a binary heap, whose top bounds how long epoll may wait. Setting one costs no system call. */
#include "common/clock.h"
#include "common/loop_internal.h"
#include "common/text.h"

#include <limits.h>

#define NS_PER_MS INT64_C(1000000)

static bool earlier(const struct hx_timer *a, const struct hx_timer *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->sequence < b->sequence;
}

static void put(struct hx_loop *loop, size_t place, struct hx_timer *timer) {
    loop->heap[place] = timer;
    timer->place = place;
}

/* Moves the timer from the hole at `place` to where it belongs. */
static void settle(struct hx_loop *loop, size_t place, struct hx_timer *timer) {
    while (place > 0 && earlier(timer, loop->heap[(place - 1) / 2])) {
        put(loop, place, loop->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= loop->heap_len)
            break;
        if (child + 1 < loop->heap_len && earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!earlier(loop->heap[child], timer))
            break;
        put(loop, place, loop->heap[child]);
        place = child;
    }
    put(loop, place, timer);
}

struct hx_timer *hx_timer_new(struct hx_loop *loop, hx_timer_cb cb, void *user) {
    struct hx_timer *timer = hx_alloc(sizeof(*timer));
    *timer = (struct hx_timer){ .loop = loop, .cb = cb, .user = user, .next = loop->timers, .place = NOT_ARMED };
    if (timer->next)
        timer->next->prev = timer;
    loop->timers = timer;
    return timer;
}

void hx_timer_set(struct hx_timer *timer, int64_t after_ms) {
    struct hx_loop *loop = timer->loop;
    int64_t after_ns;
    if (after_ms < 0)
        after_ms = 0;
    if (__builtin_mul_overflow(after_ms, NS_PER_MS, &after_ns) ||
        __builtin_add_overflow(hx_mono_ns(), after_ns, &timer->due_ns))
        timer->due_ns = INT64_MAX;
    timer->sequence = ++loop->timer_sequence;
    if (timer->place == NOT_ARMED) {
        if (loop->heap_len == loop->heap_cap) {
            loop->heap_cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
            loop->heap = hx_realloc(loop->heap, loop->heap_cap * sizeof(struct hx_timer *));
        }
        timer->place = loop->heap_len++;
    }
    settle(loop, timer->place, timer);
}

void hx_timer_clear(struct hx_timer *timer) {
    struct hx_loop *loop = timer->loop;
    if (timer->place == NOT_ARMED)
        return;
    size_t hole = timer->place;
    struct hx_timer *last = loop->heap[--loop->heap_len];
    timer->place = NOT_ARMED;
    if (last != timer)
        settle(loop, hole, last);
}

bool hx_timer_armed(const struct hx_timer *timer) {
    return timer->place != NOT_ARMED;
}

struct hx_timer *hx_timer_free(struct hx_timer *timer) {
    if (!timer)
        return NULL;
    hx_timer_clear(timer);
    if (timer->prev)
        timer->prev->next = timer->next;
    else
        timer->loop->timers = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    free(timer);
    return NULL;
}

int hx_loop_timers_wait(const struct hx_loop *loop, int timeout_ms) {
    if (loop->heap_len == 0 || timeout_ms == 0)
        return timeout_ms;
    int64_t left_ns = loop->heap[0]->due_ns - hx_mono_ns();
    if (left_ns <= 0)
        return 0;
    /* Rounded up: waking before it is due would only mean another round. */
    int64_t left_ms = (left_ns - 1) / NS_PER_MS + 1;
    if (timeout_ms < 0)
        timeout_ms = INT_MAX;
    return left_ms < timeout_ms ? (int)left_ms : timeout_ms;
}

/* Fires what was due, and had been set, when the round's turn of the timers began. */
void hx_loop_timers_run(struct hx_loop *loop) {
    if (loop->heap_len == 0)
        return;
    int64_t now_ns = hx_mono_ns();
    uint64_t last = loop->timer_sequence;
    while (loop->heap_len > 0 && !loop->doomed) {
        struct hx_timer *timer = loop->heap[0];
        if (timer->due_ns > now_ns || timer->sequence > last)
            return;
        hx_timer_clear(timer);
        timer->cb(timer->user); /* may free it */
    }
}

void hx_loop_timers_free(struct hx_loop *loop) {
    while (loop->timers)
        hx_timer_free(loop->timers);
    free(loop->heap);
    loop->heap = NULL;
}
