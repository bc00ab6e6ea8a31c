/* heimdexctl status, for people. */
#include "ctl/moment.h"
#include "ctl/row.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "lib/ledger/ledger.h"

#include <inttypes.h>

static void heading(struct hx_buf *out, bool colored, const char *text) {
    if (out->len)
        hx_buf_putc(out, '\n');
    table_tint(out, HEADING, colored, text);
    hx_buf_putc(out, '\n');
}

/* ---- the fleet ---- */

struct host {
    const char *name, *instance;
    int64_t alive, silent, running, seen;
};

static struct host *find_host(struct host *hosts, size_t *count, const json_t *worker) {
    const char *name = row_string(worker, "hostname"), *instance = row_string(worker, "instance");
    for (size_t i = 0; i < *count; i++)
        if (hx_streq(hosts[i].name, name) && hx_streq(hosts[i].instance, instance))
            return &hosts[i];
    hosts[*count] = (struct host){ .name = name, .instance = instance, .seen = HX_NO_TIME };
    return &hosts[(*count)++];
}

/* Dead workers are history here: what they left behind is under "needs attention". */
static size_t gather_hosts(const json_t *workers, struct host *hosts) {
    size_t count = 0, i;
    const json_t *worker;
    json_array_foreach((json_t *)workers, i, worker) {
        if (row_bool(worker, "dead"))
            continue;
        struct host *host = find_host(hosts, &count, worker);
        bool alive = row_bool(worker, "alive");
        host->alive += alive;
        host->silent += !alive;
        host->running += row_int(worker, "jobs");
        host->seen = HX_MAX(host->seen, row_time(worker, "renewed_at"));
    }
    return count;
}

static void render_fleet(const json_t *document, int64_t now_us, bool colored, struct hx_buf *out) {
    static const char *const headers[] = { "HOST/INSTANCE", ">ALIVE", ">SILENT", ">RUNNING", "LAST SEEN" };
    const json_t *workers = json_object_get(document, "workers");
    _cleanup_free_ struct host *hosts = hx_allocn(json_array_size(workers) + 1, sizeof *hosts);
    size_t count = gather_hosts(workers, hosts);
    _cleanup_table_ struct table t;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    for (size_t i = 0; i < count; i++) {
        char seen[MOMENT_SIZE];
        moment_both(hosts[i].seen, now_us, seen);
        table_put(&t, PLAIN, "%s/%s", hosts[i].name ? hosts[i].name : "?", hosts[i].instance ? hosts[i].instance : "?");
        table_put(&t, hosts[i].alive ? GOOD : BAD, "%" PRId64, hosts[i].alive);
        table_put(&t, hosts[i].silent ? BAD : PLAIN, "%" PRId64, hosts[i].silent);
        table_put(&t, PLAIN, "%" PRId64, hosts[i].running);
        table_put(&t, PLAIN, "%s", seen);
    }
    heading(out, colored, "Fleet");
    if (t.count)
        table_render(&t, 2, colored, out);
    else
        hx_buf_puts(out, "  no workers\n");
}

/* ---- jobs ---- */

static void put_counts(struct table *t, const json_t *counts) {
    for (int s = 0; s < HX_STATUSES; s++) {
        const char *status = hx_status_name((enum hx_status)s);
        int64_t n = row_int(counts, status);
        table_put(t, n ? table_status_tint(status) : FAINT, "%" PRId64, n);
    }
}

/* Many types may have been registered once; what never had a job needs no line. */
static bool is_empty(const json_t *counts) {
    for (int s = 0; s < HX_STATUSES; s++)
        if (row_int(counts, hx_status_name((enum hx_status)s)))
            return false;
    return true;
}

static const char *type_note(const json_t *type) {
    const json_t *counts = json_object_get(type, "counts");
    if (row_bool(type, "paused"))
        return "paused";
    if (!row_bool(type, "handled") && row_int(counts, "queued") + row_int(counts, "failed") > 0)
        return "no worker here has a handler for it";
    return " ";
}

static void render_jobs(const json_t *document, bool colored, struct hx_buf *out) {
    static const char *const headers[] = { "TYPE",    "QUEUE",     ">QUEUED",      ">RUNNING", ">SUCCEEDED",
                                           ">FAILED", ">CANCELED", ">DEAD_LETTER", "NOTE" };
    _cleanup_table_ struct table t;
    size_t i;
    const json_t *type;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    json_array_foreach(json_object_get(document, "types"), i, type) {
        const char *note = type_note(type);
        if (is_empty(json_object_get(type, "counts")) && !row_bool(type, "paused"))
            continue;
        table_put(&t, PLAIN, "%s", row_string(type, "type"));
        table_put(&t, PLAIN, "%s", row_string(type, "queue"));
        put_counts(&t, json_object_get(type, "counts"));
        table_put(&t, *note == ' ' ? PLAIN : CAREFUL, "%s", note);
    }
    heading(out, colored, "Jobs");
    if (!t.count) {
        hx_buf_puts(out, "  none\n");
        return;
    }
    table_put(&t, HEADING, "all");
    table_put(&t, PLAIN, " ");
    put_counts(&t, json_object_get(document, "counts"));
    table_put(&t, PLAIN, " ");
    table_render(&t, 2, colored, out);
}

/* ---- what waits ---- */

const char *waiting_words(const char *reason, bool paused, bool handled) {
    static const struct {
        const char *reason, *words;
    } table[] = {
        { "delayed", "its time has not come" },
        { "snoozed", "its handler asked to be called again later" },
        { "retry", "failed, and is tried again when due" },
        { "released", "its worker gave it back; next in line" },
        { "redriven", "an operator queued it again" },
        { "paused", "was paused; next in line" },
        { "limited", "as many as the type's concurrency allows are running" },
        { "no_handler", "no worker here has a handler for it" },
        { "busy", "no worker has a free slot for it" },
        { "migrated", "was queued before the upgrade" },
        { "sql", "submitted by SQL" },
        { "clock", "its submitter's clock is off" },
        { "swept", "its announcement was lost or is late" },
    };
    if (paused)
        return "the type is paused";
    if (!handled)
        return "no worker here has a handler for it";
    for (size_t i = 0; i < HX_ARRAY_LEN(table); i++)
        if (hx_streq(table[i].reason, reason))
            return table[i].words;
    return "";
}

static void render_waiting(const json_t *document, int64_t now_us, bool colored, struct hx_buf *out) {
    static const char *const headers[] = { "TYPE", "QUEUE", "REASON", ">JOBS", "OLDEST DUE", "WHY" };
    _cleanup_table_ struct table t;
    size_t i;
    const json_t *row;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    json_array_foreach(json_object_get(document, "waiting"), i, row) {
        char due[MOMENT_SIZE];
        bool paused = row_bool(row, "paused"), handled = row_bool(row, "handled");
        moment_both(row_time(row, "oldest_due"), now_us, due);
        table_put(&t, PLAIN, "%s", row_string(row, "type"));
        table_put(&t, PLAIN, "%s", row_string(row, "queue"));
        table_put(&t, PLAIN, "%s", row_string(row, "reason"));
        table_put(&t, PLAIN, "%" PRId64, row_int(row, "count"));
        table_put(&t, PLAIN, "%s", due);
        table_put(&t, paused || !handled ? CAREFUL : PLAIN, "%s",
                  waiting_words(row_string(row, "reason"), paused, handled));
    }
    if (!t.count)
        return;
    heading(out, colored, "Waiting");
    table_render(&t, 2, colored, out);
}

void status_render(const json_t *document, int64_t now_us, bool colored, struct hx_buf *out) {
    _cleanup_buf_ struct hx_buf stuck = { 0 };
    render_fleet(document, now_us, colored, out);
    render_jobs(document, colored, out);
    render_waiting(document, now_us, colored, out);
    stuck_render(document, colored, &stuck);
    heading(out, colored, stuck.len ? "Needs attention" : "Nothing is stuck");
    hx_buf_append(out, stuck.data, stuck.len);
}
