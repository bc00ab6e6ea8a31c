#include "supervisor/status.h"

#include "common/units.h"

#include <inttypes.h>

static void append_count(struct hx_buf *out, unsigned n, const char *noun) {
    hx_buf_printf(out, "%u %s%s", n, noun, n == 1 ? "" : "s");
}

/* "2 workers", or "1 of 2 workers" while not all can work. */
static void append_working(struct hx_buf *out, unsigned working, unsigned wanted, const char *noun) {
    if (working < wanted)
        hx_buf_printf(out, "%u of ", working);
    append_count(out, wanted, noun);
}

/* " for 40 s", as coarse as people take it. */
static void append_since(struct hx_buf *out, int64_t ms) {
    int64_t seconds = ms / 1000;
    if (seconds >= 2 * 3600)
        hx_buf_printf(out, " for %" PRId64 " h", seconds / 3600);
    else if (seconds >= 2 * 60)
        hx_buf_printf(out, " for %" PRId64 " min", seconds / 60);
    else if (seconds > 0)
        hx_buf_printf(out, " for %" PRId64 " s", seconds);
}

static void append_waiting(struct hx_buf *out, const struct status_view *v) {
    hx_buf_printf(out, "waiting for %s", v->waiting);
    append_since(out, v->now_ms - v->waiting_ms);
    if (v->detail)
        hx_buf_printf(out, ": %s", v->detail);
}

static void append_without(struct hx_buf *out, const struct status_view *v) {
    if (!v->without)
        return;
    hx_buf_printf(out, ", without %s", v->without);
    append_since(out, v->now_ms - v->without_ms);
}

static void append_trouble(struct hx_buf *out, const struct status_view *v) {
    char pause[HX_DURATION_SIZE];
    append_without(out, v);
    if (v->waiting) {
        hx_buf_puts(out, ", ");
        append_waiting(out, v);
    } else if (v->paused && v->paused_ms > 0) {
        hx_duration_format(v->paused_ms, pause);
        hx_buf_printf(out, ", %s %d starts again in %s", v->paused, v->paused_slot, pause);
    }
}

static void append_stopping(struct hx_buf *out, const struct status_view *v) {
    hx_buf_puts(out, "stopping: ");
    if (v->workers_alive > 0) {
        append_count(out, v->workers_alive, "worker");
        hx_buf_puts(out, v->workers_alive == 1 ? " finishes " : " finish ");
        append_count(out, v->running, "job");
    } else if (v->unsettled > 0) {
        hx_buf_puts(out, "settling the jobs of ");
        append_count(out, v->unsettled, "dead worker");
    } else {
        hx_buf_puts(out, "workers have ended");
    }
}

static void append_starting(struct hx_buf *out, const struct status_view *v) {
    hx_buf_puts(out, "starting: ");
    if (v->waiting) {
        append_waiting(out, v);
        return;
    }
    hx_buf_printf(out, "%u of %u workers", v->workers_working, v->workers);
    if (v->schedulers > 0)
        hx_buf_printf(out, " and %u of %u schedulers", v->schedulers_working, v->schedulers);
    hx_buf_puts(out, " ready");
    append_trouble(out, v);
}

/* The last thing said, because the reason may be long: systemd shows the first of it. */
static void append_reload(struct hx_buf *out, const struct status_view *v) {
    if (v->workers_leaving > 0) {
        hx_buf_puts(out, ", ");
        append_count(out, v->workers_leaving, "old worker");
        hx_buf_puts(out, v->workers_leaving == 1 ? " finishes its jobs" : " finish their jobs");
    }
    if (v->reloading)
        hx_buf_puts(out, ", reloading");
    else if (v->refused)
        hx_buf_printf(out, ", reload refused: %s", v->refused);
}

void status_text(const struct status_view *v, struct hx_buf *out) {
    if (v->stopping) {
        append_stopping(out, v);
        return;
    }
    if (!v->ready) {
        append_starting(out, v);
        append_reload(out, v);
        return;
    }
    append_working(out, v->workers_working, v->workers, "worker");
    hx_buf_puts(out, ", ");
    append_count(out, v->running, "job");
    hx_buf_puts(out, " running");
    if (v->schedulers_working == 0 && v->schedulers > 0)
        hx_buf_puts(out, ", no scheduler");
    append_trouble(out, v);
    append_reload(out, v);
}
