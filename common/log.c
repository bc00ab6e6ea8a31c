#include "common/log.h"

#include "common/clock.h"
#include "common/log_internal.h"
#include "common/redact.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct {
    char service[64], environment[64], worker[320];
    enum hx_log_format format; /* never AUTO */
    bool colour;
    bool initialised;
    _Atomic int level;
    _Atomic uint64_t dropped, unreported;
} state = { .format = HX_LOG_TEXT, .level = HX_LOG_INFO };

enum { END_MS = 5000, END_STILL_MS = 1000 };

static const char *program(void) {
    return state.service[0] ? state.service : program_invocation_short_name;
}

static enum hx_log_format choose_format(enum hx_log_format wanted) {
    if (wanted != HX_LOG_AUTO)
        return wanted;
    if (hx_log_journal_attached(STDERR_FILENO))
        return HX_LOG_JOURNAL;
    return isatty(STDERR_FILENO) ? HX_LOG_TEXT : HX_LOG_JSON;
}

void hx_log_init(const struct hx_log_options *options) {
    const char *no_colour = getenv("NO_COLOR");
    hx_strcopy(state.service, sizeof(state.service), options->service ? options->service : "");
    hx_strcopy(state.environment, sizeof(state.environment), options->environment ? options->environment : "");
    hx_strcopy(state.worker, sizeof(state.worker), options->worker ? options->worker : "");
    state.format = choose_format(options->format);
    state.colour = isatty(STDERR_FILENO) && (!no_colour || !no_colour[0]);
    atomic_store(&state.level, (int)options->level);
    hx_log_write_init(STDERR_FILENO);
    state.initialised = true;
}

bool hx_log_enabled(enum hx_log_level level) {
    return (int)level <= atomic_load_explicit(&state.level, memory_order_relaxed);
}

uint64_t hx_log_dropped(void) {
    return atomic_load(&state.dropped);
}

static void end_at_exit(void) {
    atexit(hx_log_end);
}

static int put_journal(const struct hx_buf *entry, bool output) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int r = hx_log_queue_put(entry->data, entry->len, output);
    if (r == 1)
        pthread_once(&once, end_at_exit);
    return r;
}

/* 0: written; 1: it waits for the journal; or a negative errno. */
static int put(const struct hx_log_line *line) {
    _cleanup_buf_ struct hx_buf out = { 0 };
    size_t done;
    if (state.format == HX_LOG_JOURNAL) {
        hx_log_format_journal(&out, line);
        int r = put_journal(&out, line->ctx->output);
        if (r >= 0 || r == -EAGAIN)
            return r;
        hx_buf_clear(&out); /* no journal here: better as text than not at all */
    }
    if (state.format == HX_LOG_JSON)
        hx_log_format_json(&out, line);
    else
        hx_log_format_text(&out, line, state.colour);
    return hx_log_write(out.data, out.len, &done);
}

static struct hx_log_ctx context_of(const struct hx_log_ctx *ctx) {
    struct hx_log_ctx whole = ctx ? *ctx : HX_LOG_CTX;
    if (!whole.worker && state.worker[0])
        whole.worker = state.worker;
    return whole;
}

void hx_log_count_dropped(uint64_t lines) {
    atomic_fetch_add(&state.dropped, lines);
    atomic_fetch_add(&state.unreported, lines);
}

/* Behind a line that got through, not before it: a reader with room for one line at a time would get reports only. The level doesn't
 * matter: the lines that this stands for had passed it. */
static void report_dropped(void) {
    uint64_t n = atomic_exchange(&state.unreported, 0);
    if (n == 0)
        return;
    char message[80], detail[48];
    struct hx_log_ctx ctx = context_of(NULL);
    snprintf(message, sizeof(message), "%llu lines dropped, nobody read them in time", (unsigned long long)n);
    snprintf(detail, sizeof(detail), "\"dropped\":%llu", (unsigned long long)n);
    ctx.event = "log.dropped";
    ctx.detail_json = detail;
    int r = put(&(struct hx_log_line){
        .level = HX_LOG_WARNING,
        .ctx = &ctx,
        .service = program(),
        .environment = state.environment,
        .message = message,
        .wall_us = hx_wall_us(),
    });
    if (r < 0)
        atomic_fetch_add(&state.unreported, n);
}

static void emit(const struct hx_log_line *line) {
    int r = put(line);
    if (r < 0)
        hx_log_count_dropped(1);
    else if (r == 0)
        report_dropped();
}

int hx_log_flush(void) {
    if (!hx_log_queue_waits())
        return -1;
    int pause_ms = hx_log_queue_flush();
    if (pause_ms < 0)
        report_dropped();
    return pause_ms;
}

void hx_log_end(void) {
    if (!hx_log_queue_waits())
        return;
    hx_log_queue_end(END_MS, END_STILL_MS);
    report_dropped();
}

static uint64_t count_lines(const char *text, size_t n) {
    uint64_t lines = 0;
    for (const char *end; n > 0 && (end = memchr(text, '\n', n)); lines++) {
        n -= (size_t)(end - text) + 1;
        text = end + 1;
    }
    return lines + (n > 0);
}

/* As many whole lines as a pipe takes all or none of; one that is longer goes alone. */
static size_t atomic_part(const char *lines, size_t n) {
    const char *end = n > PIPE_BUF ? memrchr(lines, '\n', PIPE_BUF) : NULL;
    if (n > PIPE_BUF && !end)
        end = memchr(lines, '\n', n);
    return end ? (size_t)(end - lines) + 1 : n;
}

void hx_log_forward(const char *lines, size_t n) {
    int saved_errno = errno;
    if (!state.initialised)
        hx_log_write_init(STDERR_FILENO);
    bool flows = true;
    while (flows && n > 0) {
        size_t done;
        flows = hx_log_write(lines, atomic_part(lines, n), &done) == 0;
        lines += done;
        n -= done;
    }
    if (flows)
        report_dropped();
    else
        hx_log_count_dropped(count_lines(lines, n));
    errno = saved_errno;
}

static void redacted_message(struct hx_buf *out, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void redacted_message(struct hx_buf *out, const char *fmt, va_list ap) {
    _cleanup_buf_ struct hx_buf raw = { 0 };
    hx_buf_vprintf(&raw, fmt, ap);
    while (raw.len > 0 && raw.data[raw.len - 1] == '\n')
        raw.data[--raw.len] = '\0';
    hx_redact(out, raw.data);
}

void hx_log(enum hx_log_level level, const struct hx_log_ctx *ctx, const char *fmt, ...) {
    if (!hx_log_enabled(level))
        return;
    int saved_errno = errno; /* a caller may log first and look at errno then */
    if (!state.initialised)
        hx_log_write_init(STDERR_FILENO);
    errno = saved_errno; /* %m */
    _cleanup_buf_ struct hx_buf message = { 0 };
    va_list ap;
    va_start(ap, fmt);
    redacted_message(&message, fmt, ap);
    va_end(ap);
    struct hx_log_ctx whole = context_of(ctx);
    emit(&(struct hx_log_line){
        .level = level,
        .ctx = &whole,
        .service = program(),
        .environment = state.environment,
        .message = message.data,
        .wall_us = hx_wall_us(),
    });
    errno = saved_errno;
}

void hx_log_note(const struct hx_log_ctx *ctx, const char *fmt, ...) {
    _cleanup_buf_ struct hx_buf message = { 0 }, entry = { 0 };
    struct hx_log_ctx whole = context_of(ctx);
    va_list ap;
    va_start(ap, fmt);
    redacted_message(&message, fmt, ap);
    va_end(ap);
    hx_log_format_journal(&entry, &(struct hx_log_line){ .level = HX_LOG_INFO,
                                                         .ctx = &whole,
                                                         .service = program(),
                                                         .environment = state.environment,
                                                         .message = message.data,
                                                         .wall_us = hx_wall_us() });
    put_journal(&entry, false);
}

bool hx_log_has_journal(void) {
    return hx_log_journal_attached(STDERR_FILENO);
}

/* What a tool has to say before it ends must not be lost: unlike the log, this waits for its reader, a while. */
void hx_complain(const char *fmt, ...) {
    int saved_errno = errno;
    _cleanup_buf_ struct hx_buf message = { 0 }, out = { 0 };
    va_list ap;
    va_start(ap, fmt);
    redacted_message(&message, fmt, ap);
    va_end(ap);
    hx_log_escape(&out, program());
    hx_buf_puts(&out, ": ");
    hx_log_escape(&out, message.data);
    hx_buf_putc(&out, '\n');
    hx_log_write_patiently(out.data, out.len);
    errno = saved_errno;
}
