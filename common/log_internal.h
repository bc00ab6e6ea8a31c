/* What the parts of the log know of each other, and what its tests may turn. Nothing else includes it. */
#pragma once

#include "common/log.h"
#include "common/text.h"

#include <stddef.h>

/* One line on its way out. `message` is redacted, but not escaped yet. */
struct hx_log_line {
    enum hx_log_level level;
    const struct hx_log_ctx *ctx; /* never NULL */
    const char *service, *environment;
    const char *message;
    int64_t wall_us;
};

/* The fields of a context, in the order in which they are printed. */
struct hx_log_field {
    const char *name;    /* JSON and text: "job_id" */
    const char *journal; /* "HEIMDEX_JOB_ID" */
    size_t offset;
    enum { HX_LOG_FIELD_TEXT, HX_LOG_FIELD_INT, HX_LOG_FIELD_INT64 } kind;
};
extern const struct hx_log_field hx_log_fields[];
extern const size_t hx_log_field_count;

/* The field's text, or NULL if it is unset or negative; scratch holds a number's digits. */
#define HX_LOG_NUMBER_SIZE 24
const char *hx_log_field_text(const struct hx_log_field *field, const struct hx_log_ctx *ctx,
                              char scratch[HX_LOG_NUMBER_SIZE]);

/* log_format.c */
void hx_log_format_json(struct hx_buf *out, const struct hx_log_line *line);
void hx_log_format_text(struct hx_buf *out, const struct hx_log_line *line, bool colour);
void hx_log_format_journal(struct hx_buf *out, const struct hx_log_line *line);
/* Appends text with control characters as \n, \t, \x1b and bytes that aren't UTF-8 as U+FFFD. */
void hx_log_escape(struct hx_buf *out, const char *text);

/* log_write.c: looks at the descriptor again, after a program has replaced its stderr. */
void hx_log_write_init(int fd);
/* Writes all, or drops the rest from *ret_done on (-EAGAIN …). Never blocks, raises no SIGPIPE. */
int hx_log_write(const char *data, size_t len, size_t *ret_done);
/* The same, to stderr, but waits up to a second each time the reader is slow. */
void hx_log_write_patiently(const char *data, size_t len);

/* log.c */
void hx_log_count_dropped(uint64_t lines);

/* log_queue.c: any thread. Sends an entry, behind those that wait; what a program printed is the first that finds no room. 0: sent;
 * 1: waits; -EAGAIN: no room; else: there is no journal. */
int hx_log_queue_put(const char *entry, size_t len, bool output);
bool hx_log_queue_waits(void);
int hx_log_queue_flush(void); /* as hx_log_flush */
/* Waits so long for a journal that reads, and so long for one that stands still; drops the rest. */
void hx_log_queue_end(int64_t all_ms, int64_t still_ms);

/* log_journal.c: sends one entry. -EAGAIN: the journal is slow; else: there is none. */
int hx_log_journal_send(const char *entry, size_t len);
bool hx_log_journal_attached(int fd); /* $JOURNAL_STREAM names it */
/* Tests: another socket than /run/systemd/journal/socket; NULL: that one again. Kept, not copied. */
void hx_log_journal_set_path(const char *path);
