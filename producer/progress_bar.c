#include "producer/progress_bar.h"

#include "common/clock.h"
#include "common/text.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { INTERVAL_MS = 100, WIDTH = 30, COLUMNS_FALLBACK = 80 };

struct progress_bar {
    int64_t shown_ms;
    bool visible, colour;
};

struct progress_bar *progress_bar_new(void) {
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    if (!isatty(STDERR_FILENO) || hx_streq(term, "dumb"))
        return NULL;
    struct progress_bar *bar = hx_alloc(sizeof(*bar));
    bar->colour = !no_color || !*no_color;
    return bar;
}

struct progress_bar *progress_bar_free(struct progress_bar *bar) {
    progress_bar_hide(bar);
    free(bar);
    return NULL;
}

bool progress_bar_due(const struct progress_bar *bar) {
    return bar && hx_mono_ms() - bar->shown_ms >= INTERVAL_MS;
}

/* A terminal that is stopped must not stop us from submitting. */
static void put(const struct hx_buf *text) {
    struct pollfd writable = { .fd = STDERR_FILENO, .events = POLLOUT };
    if (poll(&writable, 1, 0) <= 0)
        return;
    ssize_t ignored = write(STDERR_FILENO, text->data, text->len);
    (void)ignored;
}

static size_t columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : COLUMNS_FALLBACK;
}

static void append_bar(const struct progress_bar *bar, double share, struct hx_buf *out) {
    int full = (int)(HX_MIN(HX_MAX(share, 0.0), 1.0) * WIDTH);
    hx_buf_puts(out, bar->colour ? "[\033[32m" : "[");
    for (int i = 0; i < full; i++)
        hx_buf_putc(out, '#');
    hx_buf_puts(out, bar->colour ? "\033[0m" : "");
    for (int i = full; i < WIDTH; i++)
        hx_buf_putc(out, '.');
    hx_buf_printf(out, "] %3d %% ", (int)(share * 100));
}

void progress_bar_show(struct progress_bar *bar, double share, const char *fmt, ...) {
    if (!bar)
        return;
    _cleanup_buf_ struct hx_buf line = { 0 }, text = { 0 };
    size_t room = columns() - 1;
    hx_buf_puts(&line, "\r\033[K");
    if (share >= 0 && room > 2 * WIDTH) {
        append_bar(bar, share, &line);
        room -= WIDTH + 8;
    }
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    hx_buf_append(&line, text.data, HX_MIN(text.len, room)); /* a line that wraps could not be cleared again */
    put(&line);
    bar->visible = true;
    bar->shown_ms = hx_mono_ms();
}

void progress_bar_hide(struct progress_bar *bar) {
    if (!bar || !bar->visible)
        return;
    put(&(struct hx_buf){ .data = (char[]){ "\r\033[K" }, .len = 4 });
    bar->visible = false;
}
