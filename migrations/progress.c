#include "migrations/progress.h"

#include "common/clock.h"
#include "common/text.h"

#include <unistd.h>

#define TURN_MS 200

struct hx_progress {
    const char *what;
    struct hx_timer *timer;
    int64_t started_ms;
    size_t done, total;
    bool shown, terminal;
};

static void show(void *user) {
    struct hx_progress *p = user;
    double seconds = (double)(hx_mono_ms() - p->started_ms) / 1000;
    if (p->total)
        fprintf(stderr, "\r\033[K  %s: %zu of %zu statements, %.0f s", p->what, p->done, p->total, seconds);
    else
        fprintf(stderr, "\r\033[K  %s: %.0f s", p->what, seconds);
    fflush(stderr);
    p->shown = true;
    hx_timer_set(p->timer, TURN_MS);
}

struct hx_progress *hx_progress_new(struct hx_loop *loop, const char *what) {
    struct hx_progress *p = hx_alloc(sizeof *p);
    *p = (struct hx_progress){ .what = what, .started_ms = hx_mono_ms(), .terminal = isatty(STDERR_FILENO) == 1 };
    p->timer = hx_timer_new(loop, show, p);
    if (p->terminal)
        hx_timer_set(p->timer, 2 * TURN_MS); /* what is quick needs none */
    return p;
}

void hx_progress_set(struct hx_progress *p, size_t done, size_t total) {
    p->done = done;
    p->total = total;
}

void hx_progress_clear(struct hx_progress *p) {
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

struct hx_progress *hx_progress_free(struct hx_progress *p, bool done) {
    hx_progress_clear(p);
    if (p->terminal && done)
        fprintf(stderr, "  done in %.2f s\n", (double)(hx_mono_ms() - p->started_ms) / 1000);
    hx_timer_free(p->timer);
    free(p);
    return NULL;
}
