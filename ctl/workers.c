#include "ctl/workers.h"

#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/moment.h"
#include "ctl/output.h"
#include "ctl/row.h"
#include "ctl/table.h"
#include "lib/ledger/ledger.h"

#include <inttypes.h>

static bool is_alive(const json_t *worker, int64_t now_us, int64_t lease_ms) {
    int64_t seen = row_time(worker, "renewed_at"), own_ms = row_int(worker, "lease_ms");
    return !row_bool(worker, "dead") && seen != HX_NO_TIME && now_us - seen <= 2 * (own_ms ? own_ms : lease_ms) * 1000;
}

json_t *workers_read(const struct hx_pg_tx *tx, int statement, int64_t now_us, int64_t lease_ms) {
    json_t *workers = json_array();
    for (int i = 0; i < hx_pg_rows(tx, statement); i++) {
        json_t *worker = row_parse(hx_pg_get_text(tx, statement, i, 0, NULL));
        json_object_set_new(worker, "alive", json_boolean(is_alive(worker, now_us, lease_ms)));
        json_array_append_new(workers, worker);
    }
    return workers;
}

static void put_types(struct table *t, const json_t *types) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    size_t i;
    const json_t *type;
    json_array_foreach((json_t *)types, i, type) hx_buf_printf(&text, "%s%s", i ? " " : "", json_string_value(type));
    table_put(t, PLAIN, "%s", text.len ? text.data : "");
}

static void put_worker(struct table *t, const json_t *worker, int64_t now_us) {
    char seen[MOMENT_SIZE];
    const char *host = row_string(worker, "hostname"), *instance = row_string(worker, "instance");
    const char *version = row_string(worker, "version");
    bool alive = row_bool(worker, "alive"), dead = row_bool(worker, "dead");
    moment_both(row_time(worker, "renewed_at"), now_us, seen);
    table_put(t, PLAIN, "%" PRId64, row_int(worker, "id"));
    table_put(t, PLAIN, "%s", host ? host : "");
    table_put(t, PLAIN, "%s/%" PRId64, instance ? instance : "", row_int(worker, "slot"));
    table_put(t, PLAIN, "%" PRId64, row_int(worker, "pid"));
    table_put(t, PLAIN, "%s", version ? version : "");
    table_put(t, alive ? GOOD : dead ? FAINT : BAD, "%s", alive ? "alive" : dead ? "dead" : "silent");
    table_put(t, PLAIN, "%" PRId64, row_int(worker, "jobs"));
    table_put(t, PLAIN, "%" PRId64, row_int(worker, "claims"));
    table_put(t, PLAIN, "%s", seen);
    put_types(t, json_object_get(worker, "types"));
}

struct view {
    struct ctl *ctl;
    int statement;
    json_t *workers;
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct view *v = user;
    v->statement = hx_ledger_workers(tx);
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct view *v = user;
    v->workers = workers_read(tx, v->statement, v->ctl->now_us, hx_config_int(v->ctl->config, HX_WORKER_LEASE));
}

static void render(const struct view *v, struct hx_buf *out) {
    static const char *const headers[] = { ">ID",   "HOST",     "INSTANCE/SLOT", ">PID",      "VERSION",
                                           "STATE", ">RUNNING", ">CLAIMS",       "LAST SEEN", "TYPES" };
    _cleanup_table_ struct table t;
    size_t i;
    const json_t *worker;
    table_init(&t, headers, HX_ARRAY_LEN(headers));
    json_array_foreach(v->workers, i, worker) put_worker(&t, worker, v->ctl->now_us);
    table_render(&t, 0, v->ctl->colored, out);
}

int ctl_workers(struct ctl *c) {
    static const struct query query = { "workers", add, take_rows };
    struct view v = { .ctl = c };
    int code = connection_run(c, &query, &v);
    if (code)
        return code;
    if (!json_array_size(v.workers)) {
        hx_complain("workers: none: systemctl start heimdex-supervisor");
        code = HX_EXIT_NO;
    }
    if (c->args.json)
        return output_json(v.workers, code);
    _cleanup_buf_ struct hx_buf out = { 0 };
    if (!code)
        render(&v, &out);
    json_decref(v.workers);
    return output_end(&out, code);
}
