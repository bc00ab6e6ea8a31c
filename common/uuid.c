#include "common/uuid.h"

#include "common/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* ---- randomness ---- */

/* Random bytes are drawn in blocks: a system call for each id would cost more than all the rest of it. */
enum { POOL_WORDS = 256 };

/* Layout of a version 7 id here: 48 bits of time | 4 version | 12 + 8 bits of counter around the 2 of the variant |
 * 54 random bits. A fresh counter starts in its lower half, so that 2^19 ids a millisecond fit behind it. */
#define COUNTER_BITS 20
#define COUNTER_SEED_MASK ((UINT32_C(1) << (COUNTER_BITS - 1)) - 1)
#define COUNTER_END (UINT32_C(1) << COUNTER_BITS)

static struct {
    pthread_mutex_t lock;
    uint64_t words[POOL_WORDS];
    size_t left;
    int64_t last_ms;
    uint32_t counter;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void random_fill(void *out, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom((char *)out + done, n - done, 0);
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            abort(); /* no kernel that we run on lacks it; ids without randomness would collide in silence */
    }
}

static void fork_lock(void) {
    pthread_mutex_lock(&state.lock);
}
static void fork_parent(void) {
    pthread_mutex_unlock(&state.lock);
}
/* The child must not go on with the block that its parent has too. */
static void fork_child(void) {
    state.left = 0;
    state.last_ms = 0;
    pthread_mutex_unlock(&state.lock);
}
static void fork_watch(void) {
    pthread_atfork(fork_lock, fork_parent, fork_child);
}

/* With the lock held. */
static uint64_t pool_draw(void) {
    if (state.left == 0) {
        random_fill(state.words, sizeof(state.words));
        state.left = POOL_WORDS;
    }
    return state.words[--state.left];
}

uint64_t hx_random_u64(void) {
    pthread_once(&fork_once, fork_watch);
    pthread_mutex_lock(&state.lock);
    uint64_t word = pool_draw();
    pthread_mutex_unlock(&state.lock);
    return word;
}

/* ---- making ---- */

/* A new millisecond starts a new counter; the same one, or a clock that went back, goes on counting, and a counter
 * that is used up borrows the next millisecond. */
static void advance(int64_t now_ms) {
    if (now_ms <= state.last_ms && ++state.counter < COUNTER_END)
        return;
    state.last_ms = now_ms > state.last_ms ? now_ms : state.last_ms + 1;
    state.counter = (uint32_t)pool_draw() & COUNTER_SEED_MASK;
}

static void put_bytes(uint8_t *out, int n, uint64_t value) {
    for (int i = n - 1; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

struct hx_uuid hx_uuid_v7_at(int64_t unix_ms) {
    pthread_once(&fork_once, fork_watch);
    pthread_mutex_lock(&state.lock);
    advance(unix_ms);
    uint64_t ms = (uint64_t)state.last_ms, counter = state.counter, random = pool_draw();
    pthread_mutex_unlock(&state.lock);

    struct hx_uuid u;
    put_bytes(u.b, 8, ms << 16 | UINT64_C(7) << 12 | counter >> 8);
    put_bytes(u.b + 8, 8, UINT64_C(2) << 62 | (counter & 0xff) << 54 | random >> 10);
    return u;
}

struct hx_uuid hx_uuid_v7(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return hx_uuid_v7_at((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Not from the pool: these guard access, and what isn't kept can't leak. */
struct hx_uuid hx_uuid_v4(void) {
    struct hx_uuid u;
    random_fill(u.b, sizeof(u.b));
    u.b[6] = (uint8_t)(0x40 | (u.b[6] & 0x0f));
    u.b[8] = (uint8_t)(0x80 | (u.b[8] & 0x3f));
    return u;
}

int64_t hx_uuid_v7_ms(const struct hx_uuid *u) {
    if (u->b[6] >> 4 != 7 || u->b[8] >> 6 != 2)
        return -1;
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | u->b[i];
    return (int64_t)ms;
}

/* ---- text ---- */

static bool dash_before(int byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void hx_uuid_format(const struct hx_uuid *u, char out[HX_UUID_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (dash_before(i))
            *p++ = '-';
        *p++ = digits[u->b[i] >> 4];
        *p++ = digits[u->b[i] & 15];
    }
    *p = '\0';
}

int hx_uuid_parse(const char *text, struct hx_uuid *ret) {
    struct hx_uuid u;
    if (!text)
        return -EINVAL;
    for (int i = 0; i < 16; i++) {
        if (dash_before(i) && *text++ != '-')
            return -EINVAL;
        int high = hx_hex_digit(text[0]);
        int low = high < 0 ? -1 : hx_hex_digit(text[1]); /* never looks beyond the NUL */
        if (low < 0)
            return -EINVAL;
        u.b[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    if (*text != '\0')
        return -EINVAL;
    *ret = u;
    return 0;
}

int hx_uuid_cmp(const struct hx_uuid *a, const struct hx_uuid *b) {
    return memcmp(a->b, b->b, sizeof(a->b));
}

bool hx_uuid_eq(const struct hx_uuid *a, const struct hx_uuid *b) {
    return hx_uuid_cmp(a, b) == 0;
}
