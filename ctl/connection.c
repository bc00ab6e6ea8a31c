#include "ctl/connection.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"

#include <string.h>
#include <time.h>

int connection_ask_clock(struct hx_pg_tx *tx) {
    static const struct hx_pg_stmt clock = { "ctl_clock", "values (clock_timestamp())" };
    return hx_pg_tx_add(tx, &clock);
}

struct hx_pg *connection_new(const struct hx_config *config, struct hx_loop *loop, int64_t timeout_ms) {
    /* A little less than a transaction gets, so that the connection's failure is the answer, and not that nothing could be sent. */
    struct hx_pg_options options = { .application_name = "heimdexctl",
                                     .timeout_ms = timeout_ms - timeout_ms / 20,
                                     .fail_fast = true,
                                     .no_prepare = !hx_config_int(config, HX_POSTGRES_PREPARED_STATEMENTS) };
    struct hx_pg *pg = NULL;
    hx_config_postgres(config, &options.keywords, &options.values);
    if (hx_pg_new(loop, &options, NULL, NULL, &pg) < 0)
        hx_complain("PostgreSQL: postgres.timeout: must be more than 0");
    return pg;
}

static const char *keyword(const char *const *keywords, const char *const *values, const char *name,
                           const char *fallback) {
    for (; *keywords; keywords++, values++)
        if (hx_streq(*keywords, name) && *values && **values)
            return *values;
    return fallback;
}

char *connection_address(const struct hx_config *config) {
    const char *const *k, *const *v;
    hx_config_postgres(config, &k, &v);
    const char *host = getenv("PGHOST"), *port = getenv("PGPORT"), *database = getenv("PGDATABASE");
    host = keyword(k, v, "host", host && *host ? host : "local socket");
    port = keyword(k, v, "port", port && *port ? port : "5432");
    database = keyword(k, v, "dbname", database && *database ? database : "");
    return hx_printf("%s:%s%s%s", host, port, *database ? "/" : "", database);
}

static bool timed_out(const struct hx_pg_error *error) {
    return hx_streq(error->sqlstate, "57014");
}

int connection_exit_code(const struct hx_pg_error *error) {
    switch (error->class) {
    case HX_PG_OK: return HX_EXIT_OK;
    case HX_PG_UNAVAILABLE: return HX_EXIT_UNAVAILABLE;
    case HX_PG_RETRY: return timed_out(error) ? HX_EXIT_UNAVAILABLE : HX_EXIT_TRY_AGAIN;
    case HX_PG_DATA: return HX_EXIT_DATA;
    case HX_PG_DENIED: return HX_EXIT_NOT_PERMITTED;
    case HX_PG_SCHEMA: return HX_EXIT_CONFIG;
    case HX_PG_OTHER: break;
    }
    return error->sqlstate[0] ? HX_EXIT_SOFTWARE : HX_EXIT_CONFIG; /* without: libpq doesn't like its options */
}

void connection_complain(const struct hx_pg_error *error) {
    if (error->class == HX_PG_SCHEMA)
        hx_complain("PostgreSQL: %s: the schema is missing or another release's: heimdex-migrate upgrade head",
                    error->message);
    else
        hx_complain("PostgreSQL: %s", error->message);
}

/* ---- transactions ---- */

struct attempt {
    struct ctl *ctl;
    const struct query *query;
    void *user;
    int clock;
};

static void ended(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct attempt *a = user;
    if (error)
        return;
    a->ctl->now_us = hx_pg_get_time(tx, a->clock, 0, 0);
    if (a->query->read)
        a->query->read(tx, a->user);
}

static bool worth_another_try(const struct hx_pg_error *error, unsigned tries) {
    return error->class == HX_PG_RETRY && !timed_out(error) && tries < 5;
}

static void pause_ms(int64_t ms) {
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

int connection_try(struct ctl *c, const struct query *query, void *user, struct hx_pg_error *reterr) {
    int64_t timeout = hx_config_int(c->config, HX_POSTGRES_TIMEOUT), deadline = hx_mono_ms() + timeout;
    if (!c->pg)
        c->pg = connection_new(c->config, c->loop, timeout);
    if (!c->pg)
        return HX_EXIT_CONFIG;
    for (unsigned tries = 1;; tries++) {
        struct attempt a = { .ctl = c, .query = query, .user = user };
        struct hx_pg_tx *tx = hx_pg_tx_new(query->name);
        query->add(tx, user);
        a.clock = connection_ask_clock(tx);
        hx_pg_run(c->pg, tx, HX_MAX(1, deadline - hx_mono_ms()), ended, &a, reterr);
        int64_t pause = hx_backoff_full_jitter(tries, 20, 500);
        if (!worth_another_try(reterr, tries) || hx_mono_ms() + pause >= deadline)
            return connection_exit_code(reterr);
        pause_ms(pause);
    }
}

int connection_run(struct ctl *c, const struct query *query, void *user) {
    struct hx_pg_error error = { 0 };
    int code = connection_try(c, query, user, &error);
    if (error.class != HX_PG_OK)
        connection_complain(&error);
    return code;
}
