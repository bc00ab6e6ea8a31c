#include "ctl/moment.h"
#include "ctl/row.h"
#include "ctl/status.h"
#include "ctl/table.h"

#include <inttypes.h>
#include <string.h>

/* From when on something that should move counts as stuck, in seconds: well beyond what the scheduler takes when all is well. */
enum { OUTBOX_S = 15, SWEEP_S = 600, SIGNAL_S = 60, DELTAS = 100000 };

struct advice {
    struct table *table;
    const json_t *document, *stuck;
};

static void advise(struct advice *a, enum tint tint, const char *what, const char *mend) {
    table_put(a->table, tint, "%s", what);
    table_put(a->table, PLAIN, "%s", mend);
}

/* "outbox: 12 batches not announced, the oldest for 3m": with a number, its noun and an age. */
static void advise_number(struct advice *a, const char *about, int64_t n, const char *noun, const char *tail,
                          double age_s, const char *mend) {
    char span[MOMENT_SIZE];
    bool sibilant = noun[strlen(noun) - 1] == 'h';
    _cleanup_buf_ struct hx_buf text = { 0 };
    hx_buf_printf(&text, "%s%" PRId64 " %s%s %s", about, n, noun, n == 1 ? "" : sibilant ? "es" : "s", tail);
    if (age_s > 0) {
        moment_span((int64_t)(age_s * 1e6), span);
        hx_buf_printf(&text, ", the oldest for %s", span);
    }
    advise(a, BAD, text.data, mend);
}

static void about_workers(struct advice *a) {
    const json_t *workers = json_object_get(a->document, "workers"), *worker;
    size_t i;
    int64_t alive = 0, silent = 0, claims = 0;
    json_array_foreach((json_t *)workers, i, worker) {
        bool dead = row_bool(worker, "dead");
        alive += row_bool(worker, "alive");
        silent += !dead && !row_bool(worker, "alive");
        claims += dead ? row_int(worker, "claims") : 0;
    }
    if (!alive)
        advise(a, BAD, "no worker is alive", "systemctl start heimdex-supervisor");
    if (silent)
        advise_number(a, "", silent, "worker", "silent; a scheduler declares such dead after a lease", 0,
                      "heimdexctl doctor");
    if (claims)
        advise_number(a, "", claims, "claim", "of dead workers not released yet; a scheduler does it", 0,
                      "heimdexctl doctor");
    if (row_int(a->stuck, "claims_without_worker"))
        advise_number(a, "", row_int(a->stuck, "claims_without_worker"), "claim", "of no worker", 0,
                      "heimdexctl doctor");
}

static void about_types(struct advice *a) {
    const json_t *type;
    size_t i;
    json_array_foreach(json_object_get(a->document, "types"), i, type) {
        const json_t *counts = json_object_get(type, "counts");
        int64_t waiting = row_int(counts, "queued") + row_int(counts, "failed");
        const char *name = row_string(type, "type");
        if (!waiting)
            continue;
        _cleanup_free_ char *resume = hx_printf("heimdexctl resume %s", name);
        _cleanup_free_ char *prefix = hx_printf("%s: ", name);
        if (row_bool(type, "paused"))
            advise_number(a, prefix, waiting, "job", "waiting; the type is paused", 0, resume);
        else if (!row_bool(type, "handled"))
            advise_number(a, prefix, waiting, "job", "waiting; no worker here has a handler for it", 0,
                          "add it to handlers, then systemctl reload heimdex-supervisor");
    }
}

static void about_upkeep(struct advice *a) {
    const json_t *outbox = json_object_get(a->stuck, "outbox");
    double age = row_number(outbox, "oldest_age_s"), lag = row_number(a->stuck, "sweep_lag_s");
    if (age > OUTBOX_S)
        advise_number(a, "outbox: ", row_int(outbox, "rows"), "batch", "not announced; workers find the jobs slowly",
                      age, "heimdexctl doctor");
    if (lag > SWEEP_S)
        advise_number(a, "sweep: ", (int64_t)lag, "second", "behind; lost announcements are found late", 0,
                      "heimdexctl doctor");
    if (row_number(a->stuck, "oldest_signal_age_s") > SIGNAL_S)
        advise(a, BAD, "a worker was asked to stop a job and does not answer", "heimdexctl workers");
    if (row_int(a->stuck, "delta_rows") > DELTAS)
        advise_number(a, "counts: ", row_int(a->stuck, "delta_rows"), "change", "not added up; a scheduler does it", 0,
                      "heimdexctl doctor");
    if (row_bool(a->stuck, "events_in_default_partition"))
        advise(a, BAD, "events lie in the default partition: months were not made in time; a scheduler makes them",
               "heimdexctl doctor");
}

static void about_failures(struct advice *a) {
    int64_t dead = row_int(json_object_get(a->document, "counts"), "dead_letter"),
            quarantine = row_int(a->stuck, "quarantine");
    if (dead)
        advise_number(a, "", dead, "dead letter", "kept", 0, "heimdexctl redrive --dry-run");
    if (quarantine)
        advise_number(a, "", quarantine, "Kafka record", "of no use, in quarantine", 0,
                      "psql -c 'select topic, reason, created_at from quarantine order by created_at'");
}

void stuck_render(const json_t *document, bool colored, struct hx_buf *out) {
    static const char *const headers[] = { "WHAT", "COMMAND" };
    _cleanup_table_ struct table t;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    struct advice a = { .table = &t, .document = document, .stuck = json_object_get(document, "stuck") };
    about_workers(&a);
    about_types(&a);
    about_upkeep(&a);
    about_failures(&a);
    table_render(&t, 2, colored, out);
}
