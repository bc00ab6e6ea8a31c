/* Entries on their way to the journal: those that it could not take at once wait here, in their order. */
#include "common/log_internal.h"

#include "common/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* Output of programs waits in no more than the first bound, so that there is room for the ends of jobs behind it. A flush takes about a
 * millisecond. */
enum { OUTPUT_BYTES = 4 * 1024 * 1024, ALL_BYTES = 5 * 1024 * 1024 };
enum { FLUSH_ENTRIES = 256, PAUSE_MIN_MS = 2, PAUSE_MAX_MS = 100 };

struct entry {
    struct entry *next;
    size_t len;
    char bytes[];
};

static struct {
    pthread_mutex_t lock;
    struct entry *first, **end;
    size_t bytes;
    int pause_ms;
    _Atomic size_t count;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .end = &queue.first, .pause_ms = PAUSE_MIN_MS };

bool hx_log_queue_waits(void) {
    return atomic_load_explicit(&queue.count, memory_order_relaxed) > 0;
}

static size_t cost(size_t len) {
    return sizeof(struct entry) + len;
}

static int append(const char *bytes, size_t len, size_t max) {
    if (queue.bytes + cost(len) > max)
        return -EAGAIN;
    struct entry *e = hx_alloc(cost(len));
    e->len = len;
    memcpy(e->bytes, bytes, len);
    *queue.end = e;
    queue.end = &e->next;
    queue.bytes += cost(len);
    atomic_fetch_add(&queue.count, 1);
    return 1;
}

static void remove_first(void) {
    struct entry *e = queue.first;
    queue.first = e->next;
    if (!queue.first)
        queue.end = &queue.first;
    queue.bytes -= cost(e->len);
    atomic_fetch_sub(&queue.count, 1);
    free(e);
}

/* A journal that is slow or away may take them later. What else is wrong is so with this entry, and would stop those behind it. */
static bool worth_keeping(int error) {
    return error == -EAGAIN || error == -ENOENT || error == -ECONNREFUSED;
}

/* 0, or why the first one stays. */
static int send_some(void) {
    for (int n = 0; queue.first && n < FLUSH_ENTRIES; n++) {
        int r = hx_log_journal_send(queue.first->bytes, queue.first->len);
        if (worth_keeping(r))
            return r;
        if (r < 0)
            hx_log_count_dropped(1);
        remove_first();
        queue.pause_ms = PAUSE_MIN_MS;
    }
    return 0;
}

int hx_log_queue_put(const char *entry, size_t len, bool output) {
    pthread_mutex_lock(&queue.lock);
    int r = send_some();
    if (r == 0 && !queue.first)
        r = hx_log_journal_send(entry, len);
    else if (r == 0)
        r = -EAGAIN;
    if (r == -EAGAIN)
        r = append(entry, len, output ? OUTPUT_BYTES : ALL_BYTES);
    pthread_mutex_unlock(&queue.lock);
    return r;
}

int hx_log_queue_flush(void) {
    int pause_ms = -1;
    pthread_mutex_lock(&queue.lock);
    int r = send_some();
    if (queue.first && r == 0) {
        pause_ms = 0;
    } else if (queue.first) {
        pause_ms = queue.pause_ms;
        queue.pause_ms = HX_MIN(2 * pause_ms, (int)PAUSE_MAX_MS);
    }
    pthread_mutex_unlock(&queue.lock);
    return pause_ms;
}

static bool journal_is_away(void) {
    pthread_mutex_lock(&queue.lock);
    int r = send_some();
    pthread_mutex_unlock(&queue.lock);
    return r < 0 && r != -EAGAIN;
}

void hx_log_queue_end(int64_t all_ms, int64_t still_ms) {
    int64_t now = hx_mono_ms(), over = now + all_ms, still = now + still_ms;
    size_t before = atomic_load(&queue.count);
    while (hx_log_queue_waits() && !journal_is_away() && now < HX_MIN(over, still)) {
        size_t count = atomic_load(&queue.count);
        if (count == before)
            nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MIN_MS * 1000000L }, NULL);
        now = hx_mono_ms();
        if (count < before)
            still = now + still_ms;
        before = count;
    }
    pthread_mutex_lock(&queue.lock);
    hx_log_count_dropped(atomic_load(&queue.count));
    while (queue.first)
        remove_first();
    pthread_mutex_unlock(&queue.lock);
}
