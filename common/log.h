/* Logging of the programs (libraries stay silent above debug): journald's native protocol with fields, JSON lines,
 * or text. Never blocks: what the journal can't take at once waits in a bounded queue, what else can't be written at once is
 * dropped and counted; behind the first line that gets through again one with the event log.dropped says how many,
 * whatever the level. Every message passes hx_redact, and control characters are escaped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* syslog's numbers, as journald has them. */
enum hx_log_level { HX_LOG_ERR = 3, HX_LOG_WARNING = 4, HX_LOG_NOTICE = 5, HX_LOG_INFO = 6, HX_LOG_DEBUG = 7 };

enum hx_log_format { HX_LOG_AUTO, HX_LOG_JOURNAL, HX_LOG_JSON, HX_LOG_TEXT };

struct hx_log_options {
    const char *service;     /* program name, e.g. "heimdex-worker" */
    const char *environment; /* service.environment */
    const char *worker;      /* of this process, for all its lines; or NULL */
    enum hx_log_format
        format; /* AUTO: journal if stderr is the journal ($JOURNAL_STREAM), text on a terminal, else json */
    enum hx_log_level level; /* the most talkative level that is written */
};

/* What a line is about. Unset fields (NULL, or negative numbers) are left out. One context a job: it travels with
 * the job instead of being put together at each call. Zero-initialise with HX_LOG_CTX. */
struct hx_log_ctx {
    const char *job_id, *job_type, *org_id;
    int attempt, fence;
    const char *worker;
    const char *topic;
    int partition;
    int64_t offset;
    const char *event; /* short name of what happened: "starting", "heartbeat", "job.succeeded"; default "log" */
    const char *error_code;
    const char *trace_id;
    /* more members of a JSON object without the braces, e.g. "\"config\":{…}"; already redacted */
    const char *detail_json;
    const char *detail_text; /* the same in brief, for text, which leaves detail_json out; already redacted */
    bool output;             /* a program printed it: where there is no room for all, it goes before our own lines */
};
#define HX_LOG_CTX ((struct hx_log_ctx){ .attempt = -1, .fence = -1, .partition = -1, .offset = -1 })
/* The context of a line that is about nothing but an event (common/log_event.h lists those that operators act on). */
#define HX_EVENT(name) \
    (&(struct hx_log_ctx){ .attempt = -1, .fence = -1, .partition = -1, .offset = -1, .event = (name) })

/* Copies the options' strings. Looks at stderr as it is now: call it again after replacing that. Before it, lines go
 * to stderr as text at info. */
void hx_log_init(const struct hx_log_options *options);
/* ctx may be NULL. JSON: {"ts","service","env","level","event","message",…fields in lower snake case…}; journal: MESSAGE,
 * PRIORITY, SYSLOG_IDENTIFIER, HEIMDEX_JOB_ID and so on (HEIMDEX_DETAIL for detail_json); text: detail_text at its end. Where
 * the journal is wanted but not there, text. Any thread; errno stays. */
void hx_log(enum hx_log_level level, const struct hx_log_ctx *ctx, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* For tools, whose stderr is for people: an entry for the journal alone, where there is one. */
void hx_log_note(const struct hx_log_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool hx_log_enabled(enum hx_log_level level);
/* True where stderr is the journal. */
bool hx_log_has_journal(void);
/* Writes whole lines of another process to stderr as they are, under the same rules. */
void hx_log_forward(const char *lines, size_t n);
/* True for a line that one of our programs logged to a pipe, as JSON or text; its beginning is enough. */
bool hx_log_wrote(const char *line, size_t n);
/* Sends what waits for the journal, as far as it takes that, for about a millisecond at most. Returns after how many ms to
 * call it again, -1: nothing waits. Loops (common/loop.h) call it by themselves. */
int hx_log_flush(void);
/* The last of a program's lines: waits for a journal that is busy, up to five seconds, one for one that stands still; what
 * it doesn't take then is dropped. At exit(3) by itself; to be called before _exit(2). */
void hx_log_end(void);
/* Lines dropped since the start because the reader was slow or gone. */
uint64_t hx_log_dropped(void);

#define hx_error(ctx, ...) hx_log(HX_LOG_ERR, ctx, __VA_ARGS__)
#define hx_warning(ctx, ...) hx_log(HX_LOG_WARNING, ctx, __VA_ARGS__)
#define hx_notice(ctx, ...) hx_log(HX_LOG_NOTICE, ctx, __VA_ARGS__)
#define hx_info(ctx, ...) hx_log(HX_LOG_INFO, ctx, __VA_ARGS__)
#define hx_debug(ctx, ...)                          \
    do {                                            \
        if (hx_log_enabled(HX_LOG_DEBUG))           \
            hx_log(HX_LOG_DEBUG, ctx, __VA_ARGS__); \
    } while (0)

/* The tools' one line for bad input: "PROGRAM: what: where: why" on stderr, redacted. The message is fmt's. */
void hx_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
