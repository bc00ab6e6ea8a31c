#include "common/log.h"

#include "common/clock.h"
#include "common/log_internal.h"
#include "common/redact.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static struct {
    char service[64], environment[64];
    enum hx_log_format format; /* never AUTO */
    bool colour;
    bool initialised;
    _Atomic int level;
    _Atomic uint64_t dropped;
} state = { .format = HX_LOG_TEXT, .level = HX_LOG_INFO };

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

static void emit(const struct hx_log_line *line) {
    _cleanup_buf_ struct hx_buf out = { 0 };
    int r = 0;
    if (state.format == HX_LOG_JOURNAL) {
        hx_log_format_journal(&out, line);
        r = hx_log_journal_send(out.data, out.len);
        if (r == 0 || r == -EAGAIN)
            goto done;
        hx_buf_clear(&out); /* no journal here: better as text than not at all */
    }
    if (state.format == HX_LOG_JSON)
        hx_log_format_json(&out, line);
    else
        hx_log_format_text(&out, line, state.colour);
    r = hx_log_write(out.data, out.len);
done:
    if (r < 0)
        atomic_fetch_add(&state.dropped, 1);
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
    static const struct hx_log_ctx nothing = { .attempt = -1, .fence = -1, .partition = -1, .offset = -1 };
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
    emit(&(struct hx_log_line){
        .level = level,
        .ctx = ctx ? ctx : &nothing,
        .service = program(),
        .environment = state.environment,
        .message = message.data,
        .wall_us = hx_wall_us(),
    });
    errno = saved_errno;
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
