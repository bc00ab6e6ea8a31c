/* doctor: PostgreSQL, its schema, rights, clock, and who holds it up. */
#include "common/clock.h"
#include "ctl/connection.h"
#include "ctl/doctor.h"
#include "lib/ledger/ledger.h"
#include "lib/ledger/schema.h"

#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 1000, ASK_MS = 3000, CLOCK_MS = 1000, SNAPSHOT_S = 10 };

#define MIGRATE "heimdex-migrate upgrade head"

struct probe {
    struct doctor *doctor;
    struct hx_pg *pg;
    int statement;
    int64_t server_us;
    char revision[64];
};

/* ---- a plain connection ---- */

static void read_clock(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct probe *p = user;
    if (!error)
        p->server_us = hx_pg_get_time(tx, p->statement, 0, 0);
}

static enum hx_pg_class ask_clock(struct probe *p, struct hx_pg_error *reterr) {
    struct hx_pg_tx *tx = hx_pg_tx_new("ping");
    p->statement = connection_ask_clock(tx);
    return hx_pg_run(p->pg, tx, CONNECT_MS, read_clock, p, reterr);
}

static const char *mend_connection(const struct hx_pg_error *error) {
    if (hx_streq(error->sqlstate, "3D000"))
        return "createdb";
    if (error->class == HX_PG_OTHER && !error->sqlstate[0]) /* libpq can't go on with what it was told */
        return "correct the PG* variables, or the section postgres of the configuration";
    if (!error->sqlstate[0] && strstr(error->message, "certificate"))
        return "renew the certificate, or set PGSSLROOTCERT, PGSSLCERT and PGSSLKEY";
    return error->class == HX_PG_DENIED ? "set PGUSER and PGPASSWORD, or postgres.user and postgres.password"
                                        : "systemctl start postgresql, or set PGHOST and PGPORT";
}

static bool probe_connection(struct probe *p) {
    struct doctor *d = p->doctor;
    struct hx_pg_error error;
    _cleanup_free_ char *address = connection_address(d->ctl->config);
    int64_t started = hx_mono_ns();
    if (ask_clock(p, &error) == HX_PG_OK) {
        int version = hx_pg_server_version(p->pg);
        doctor_find(d, "pg", FINDING_OK, started, NULL, "PostgreSQL %d.%d at %s", version / 10000, version % 10000,
                    address);
        return true;
    }
    struct finding *f = doctor_find(d, "pg", FINDING_FAILURE, started, mend_connection(&error), "PostgreSQL at %s: %s",
                                    address, error.message);
    if (!error.sqlstate[0] && error.class == HX_PG_UNAVAILABLE)
        f->error = hx_strdup("connection refused or timeout");
    return false;
}

/* ---- the schema ---- */

static void read_revision(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct probe *p = user;
    if (!error && hx_pg_rows(tx, p->statement))
        hx_strcopy(p->revision, sizeof p->revision, hx_pg_get_text(tx, p->statement, 0, 0, NULL));
}

static bool probe_schema(struct probe *p) {
    struct doctor *d = p->doctor;
    struct hx_pg_error error;
    int64_t started = hx_mono_ns();
    struct hx_pg_tx *tx = hx_pg_tx_new("schema");
    p->statement = hx_ledger_schema(tx);
    enum hx_pg_class class = hx_pg_run(p->pg, tx, ASK_MS, read_revision, p, &error);
    bool right = hx_streq(p->revision, hx_schema_head());
    if (class == HX_PG_DENIED)
        doctor_find(d, "schema", FINDING_FAILURE, started, "grant select on alembic_version to this login", "%s",
                    error.message);
    else if (class != HX_PG_OK && class != HX_PG_SCHEMA)
        doctor_find(d, "schema", FINDING_FAILURE, started, NULL, "%s", error.message);
    else if (right)
        doctor_find(d, "schema", FINDING_OK, started, NULL, "at %s", p->revision);
    else if (!p->revision[0])
        doctor_find(d, "schema", FINDING_FAILURE, started, MIGRATE, "there is no schema here yet");
    else
        doctor_find(d, "schema", FINDING_FAILURE, started, MIGRATE, "at %s, this program needs %s", p->revision,
                    hx_schema_head());
    return right;
}

/* ---- rights ---- */

static void read_types(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct probe *p = user;
    for (int i = 0; !error && i < hx_pg_rows(tx, p->statement); i++)
        doctor_add_queue(p->doctor, hx_ledger_read_type(tx, p->statement, i).queue);
}

/* What operators' commands do, done to no job at all: PostgreSQL checks the rights all the same. */
static void probe_permissions(struct probe *p) {
    struct hx_pg_error error;
    int64_t started = hx_mono_ns();
    struct hx_pg_tx *tx = hx_pg_tx_new("permissions");
    p->statement = hx_ledger_types(tx);
    hx_ledger_counts(tx, NULL);
    hx_ledger_workers(tx);
    hx_ledger_stuck(tx);
    hx_ledger_cancel(tx, NULL, 0, "");
    hx_ledger_retry(tx, NULL, 0, "");
    enum hx_pg_class class = hx_pg_run(p->pg, tx, ASK_MS, read_types, p, &error);
    if (class == HX_PG_OK)
        doctor_find(p->doctor, "permissions", FINDING_OK, started, NULL, "may read and change what the commands need");
    else
        doctor_find(p->doctor, "permissions", FINDING_FAILURE, started,
                    class == HX_PG_DENIED ? "grant heimdex_runtime to this login" : NULL, "%s", error.message);
}

/* ---- the clock ---- */

static void probe_clock(struct probe *p) {
    struct hx_pg_error error;
    int64_t started = hx_mono_ns(), before = hx_wall_us();
    if (ask_clock(p, &error) != HX_PG_OK) {
        doctor_find(p->doctor, "clock", FINDING_FAILURE, started, NULL, "%s", error.message);
        return;
    }
    int64_t ours = before + (hx_wall_us() - before) / 2, off_ms = (p->server_us - ours) / 1000;
    bool well = off_ms >= -CLOCK_MS && off_ms <= CLOCK_MS;
    doctor_find(p->doctor, "clock", well ? FINDING_OK : FINDING_WARNING, started, "timedatectl set-ntp true",
                "the database's clock differs from ours by %lld ms", (long long)off_ms);
}

/* ---- a transaction somebody forgot ---- */

static void read_snapshot(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct probe *p = user;
    if (error || !hx_pg_rows(tx, p->statement))
        return;
    int pid = hx_pg_get_int4(tx, p->statement, 0, 0);
    _cleanup_free_ char *mend = hx_printf("psql -c 'select pg_terminate_backend(%d)'", pid);
    doctor_find(
        p->doctor, "snapshots", FINDING_WARNING, hx_mono_ns(), mend,
        "session %d (login %s, application %s) has held a snapshot for %lld s: until it ends, the tables only grow",
        pid, hx_pg_get_text(tx, p->statement, 0, 1, NULL), hx_pg_get_text(tx, p->statement, 0, 2, NULL),
        (long long)hx_pg_get_int8(tx, p->statement, 0, 3));
}

/* Says nothing when there is nothing to say. */
static void probe_snapshots(struct probe *p) {
    struct hx_pg_tx *tx = hx_pg_tx_new("snapshots");
    p->statement = hx_ledger_snapshots(tx, SNAPSHOT_S);
    hx_pg_run(p->pg, tx, ASK_MS, read_snapshot, p, NULL);
}

static void unknown(struct doctor *d, const char *name, const char *why) {
    doctor_find(d, name, FINDING_FAILURE, hx_mono_ns(), NULL, "not known: %s", why);
}

void probe_pg(struct doctor *d) {
    struct probe p = { .doctor = d, .pg = connection_new(d->ctl->config, d->ctl->loop, CONNECT_MS) };
    bool connected = p.pg && probe_connection(&p);
    bool right = connected && probe_schema(&p);
    if (!connected)
        unknown(d, "schema", "no connection to PostgreSQL");
    if (right)
        probe_permissions(&p);
    else
        unknown(d, "permissions", connected ? "the schema is not right" : "no connection to PostgreSQL");
    if (connected) {
        probe_clock(&p);
        probe_snapshots(&p);
    } else {
        unknown(d, "clock", "no connection to PostgreSQL");
    }
    hx_pg_free(p.pg);
}
