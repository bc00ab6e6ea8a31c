#include "ctl/status.h"

#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "ctl/row.h"
#include "ctl/workers.h"
#include "lib/ledger/ledger.h"

static json_t *no_counts(void) {
    json_t *counts = json_object();
    for (int s = 0; s < HX_STATUSES; s++)
        json_object_set_new(counts, hx_status_name((enum hx_status)s), json_integer(0));
    return counts;
}

json_t *status_new(void) {
    json_t *document = json_object();
    json_object_set_new(document, "counts", no_counts());
    json_object_set_new(document, "types", json_array());
    json_object_set_new(document, "waiting", json_array());
    json_object_set_new(document, "workers", json_array());
    json_object_set_new(document, "stuck", json_object());
    return document;
}

json_t *status_type(json_t *document, const char *type) {
    json_t *types = json_object_get(document, "types"), *entry;
    size_t i;
    json_array_foreach(types, i, entry) if (hx_streq(row_string(entry, "type"), type)) return entry;
    entry = json_object();
    json_object_set_new(entry, "type", json_string(type));
    json_object_set_new(entry, "queue", json_string("default"));
    json_object_set_new(entry, "paused", json_false());
    json_object_set_new(entry, "handled", json_false());
    json_object_set_new(entry, "counts", no_counts());
    json_array_append_new(types, entry);
    return entry;
}

static void raise_count(json_t *counts, const char *status, int64_t count) {
    json_object_set_new(counts, status, json_integer(row_int(counts, status) + count));
}

void status_count(json_t *document, const char *type, const char *status, int64_t count) {
    raise_count(json_object_get(document, "counts"), status, count);
    raise_count(json_object_get(status_type(document, type), "counts"), status, count);
}

static bool runs(const json_t *worker, const char *type) {
    size_t i;
    const json_t *can;
    if (row_bool(worker, "dead"))
        return false;
    json_array_foreach(json_object_get(worker, "types"), i,
                       can) if (hx_streq(json_string_value(can), type)) return true;
    return false;
}

void status_handled(json_t *document) {
    json_t *workers = json_object_get(document, "workers"), *entry;
    size_t i;
    json_array_foreach(json_object_get(document, "types"), i, entry) {
        bool handled = false;
        for (size_t w = 0; w < json_array_size(workers); w++)
            handled |= runs(json_array_get(workers, w), row_string(entry, "type"));
        json_object_set_new(entry, "handled", json_boolean(handled));
    }
}

/* ---- from the ledger ---- */

struct gathering {
    struct ctl *ctl;
    int types, counts, waiting, workers, stuck; /* statements */
    json_t *document;
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct gathering *g = user;
    g->types = hx_ledger_types(tx);
    g->counts = hx_ledger_counts(tx, NULL);
    g->waiting = hx_ledger_waiting_summary(tx);
    g->workers = hx_ledger_workers(tx);
    g->stuck = hx_ledger_stuck(tx);
}

static void read_types(struct gathering *g, const struct hx_pg_tx *tx) {
    for (int i = 0; i < hx_pg_rows(tx, g->types); i++) {
        struct hx_type_info info = hx_ledger_read_type(tx, g->types, i);
        json_t *entry = status_type(g->document, info.type);
        json_object_set_new(entry, "queue", json_string(info.queue));
        json_object_set_new(entry, "paused", json_boolean(info.paused));
    }
    for (int i = 0; i < hx_pg_rows(tx, g->counts); i++)
        status_count(g->document, hx_pg_get_text(tx, g->counts, i, 0, NULL), hx_pg_get_text(tx, g->counts, i, 1, NULL),
                     hx_pg_get_int8(tx, g->counts, i, 2));
}

static void read_waiting(struct gathering *g, const struct hx_pg_tx *tx) {
    json_t *waiting = json_object_get(g->document, "waiting");
    for (int i = 0; i < hx_pg_rows(tx, g->waiting); i++) {
        char due[MOMENT_SIZE];
        moment_format(hx_pg_get_time(tx, g->waiting, i, 4), due);
        const char *type = hx_pg_get_text(tx, g->waiting, i, 0, NULL);
        json_t *row = json_object();
        json_object_set_new(row, "type", json_string(type));
        json_object_set_new(row, "queue", json_string(hx_pg_get_text(tx, g->waiting, i, 1, NULL)));
        json_object_set_new(row, "reason", json_string(hx_pg_get_text(tx, g->waiting, i, 2, NULL)));
        json_object_set_new(row, "count", json_integer(hx_pg_get_int8(tx, g->waiting, i, 3)));
        json_object_set_new(row, "oldest_due", json_string(due));
        json_object_set_new(row, "paused", json_boolean(hx_pg_get_bool(tx, g->waiting, i, 5)));
        json_object_set_new(row, "handled", json_boolean(hx_pg_get_bool(tx, g->waiting, i, 6)));
        json_array_append_new(waiting, row);
        status_type(g->document, type);
    }
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct gathering *g = user;
    int64_t lease = hx_config_int(g->ctl->config, HX_WORKER_LEASE);
    g->document = status_new();
    read_types(g, tx);
    read_waiting(g, tx);
    json_object_set_new(g->document, "workers", workers_read(tx, g->workers, g->ctl->now_us, lease));
    if (hx_pg_rows(tx, g->stuck))
        json_object_set_new(g->document, "stuck", row_parse(hx_pg_get_text(tx, g->stuck, 0, 0, NULL)));
    status_handled(g->document);
}

int ctl_status(struct ctl *c) {
    static const struct query query = { "status", add, take_rows };
    struct gathering g = { .ctl = c };
    int code = connection_run(c, &query, &g);
    if (code)
        return code;
    if (c->args.json)
        return output_json(g.document, 0);
    _cleanup_buf_ struct hx_buf out = { 0 };
    status_render(g.document, c->now_us, c->colored, &out);
    json_decref(g.document);
    return output_end(&out, 0);
}
