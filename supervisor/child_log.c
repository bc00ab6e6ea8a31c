#include "supervisor/child_log.h"

#include "common/log.h"
#include "common/text.h"
#include "common/units.h"

#include <inttypes.h>
#include <string.h>

/* "restarting at once", "restarting in 400ms", or nothing. */
static void append_next(struct hx_buf *out, const struct child *child) {
    char pause[HX_DURATION_SIZE];
    hx_duration_format(child->pause_ms, pause);
    if (child->state != CHILD_PAUSED)
        return;
    hx_buf_puts(out, child->pause_ms > 0 ? ", restarting in " : ", restarting at once");
    if (child->pause_ms > 0)
        hx_buf_puts(out, pause);
}

static void append_who(struct hx_buf *detail, const struct child *child) {
    hx_buf_printf(detail, "\"role\":\"%s\",\"slot\":%d", child->role->name, child->slot);
    if (child->state == CHILD_PAUSED)
        hx_buf_printf(detail, ",\"restart_ms\":%" PRId64, child->pause_ms);
}

static void log_loop(const struct child *child, const char *why) {
    if (child->state != CHILD_PAUSED || !restart_loops(&child->history))
        return;
    hx_error(HX_EVENT("child.crash_loop"),
             "%s %d has ended %u times in a row soon after its start%s%s; restarting it after growing pauses",
             child->role->name, child->slot, child->history.short_lives, why ? ": " : "", why ? why : "");
}

void child_log_death(const struct child *child, const struct death *d, const struct rusage *usage, bool wanted) {
    _cleanup_buf_ struct hx_buf detail = { 0 }, next = { 0 };
    _cleanup_free_ char *more = hx_json_dump(d->detail);
    char lived[HX_DURATION_SIZE];
    append_who(&detail, child);
    hx_buf_printf(&detail, ",\"pid\":%d,\"death\":%s", (int)d->pid, more);
    append_next(&next, child);
    hx_duration_format(d->lived_ms, lived);
    bool clean = death_exited(d, 0) && wanted;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.event = "child.died";
    ctx.error_code = clean ? NULL : d->code;
    ctx.detail_json = detail.data;
    hx_log(clean    ? HX_LOG_INFO
           : wanted ? HX_LOG_WARNING
                    : HX_LOG_ERR,
           &ctx, "%s %d (pid %d) %s after %s, %ld.%03ld s of cpu, %ld KB of memory%s%s%s", d->role, d->slot,
           (int)d->pid, d->message, lived, (long)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec),
           (long)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000 % 1000, usage->ru_maxrss,
           d->why && !clean ? ": " : "", d->why && !clean ? d->why : "", next.data ? next.data : "");
    log_loop(child, d->why);
}

void child_log_not_started(const struct child *child, int error) {
    _cleanup_buf_ struct hx_buf detail = { 0 }, next = { 0 };
    struct hx_log_ctx ctx = HX_LOG_CTX;
    append_who(&detail, child);
    append_next(&next, child);
    ctx.event = "child.not_started";
    ctx.detail_json = detail.data;
    hx_error(&ctx, "%s %d: %s could not be started: %s%s", child->role->name, child->slot, child->role->program,
             strerror(-error), next.data ? next.data : "");
    log_loop(child, strerror(-error));
}

void child_log_stuck(const struct child *child, enum child_event event) {
    _cleanup_buf_ struct hx_buf detail = { 0 };
    struct hx_log_ctx ctx = HX_LOG_CTX;
    append_who(&detail, child);
    ctx.event = "child.stuck";
    ctx.detail_json = detail.data;
    hx_error(&ctx, "%s %d (pid %d) %s, killing it", child->role->name, child->slot, (int)child->pid,
             event == CHILD_STUCK ? "stands still" : "did not end in time");
}
