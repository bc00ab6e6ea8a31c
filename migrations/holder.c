#include "migrations/holder.h"

#include "common/log.h"

#define FIRST_LOOK_MS 1000

struct hx_watcher {
    struct hx_database *database;
    const char *what;
    struct hx_pg *pg; /* NULL until the first look */
    struct hx_timer *timer;
    int64_t pause_ms;
    char *seen;
};

void hx_holder_read(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct hx_buf *out = user;
    const char *text = error ? NULL : hx_pg_get_text(tx, 0, 0, 0, NULL);
    if (text)
        hx_buf_puts(out, text);
}

/* Nothing is said of a failure to look: it is only about a better message. */
static void looked(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    struct hx_watcher *watcher = user;
    _cleanup_buf_ struct hx_buf text = { 0 };
    hx_holder_read(tx, error, &text);
    hx_timer_set(watcher->timer, watcher->pause_ms);
    if (!text.len)
        return;
    if (!watcher->seen)
        hx_complain("%s: waiting for a lock: %s", watcher->what, text.data);
    free(watcher->seen);
    watcher->seen = hx_buf_take(&text);
}

static void look(void *user) {
    static const struct hx_pg_stmt blockers = {
        "holder",
        "select concat_ws('; ', (select " HX_HOLDER_TEXT " from pg_stat_activity a "
        "where a.pid = any (pg_blocking_pids($1::int4)) and a.pid <> 0), "
        "(select 'a prepared transaction, see pg_prepared_xacts' where 0 = any (pg_blocking_pids($1::int4))))",
    };
    struct hx_watcher *watcher = user;
    if (!watcher->pg && hx_database_second(watcher->database, &watcher->pg) < 0)
        return;
    struct hx_pg_tx *tx = hx_pg_tx_new("holder");
    hx_pg_tx_add(tx, &blockers);
    hx_pg_int4(tx, watcher->database->backend);
    hx_pg_submit(watcher->pg, tx, HX_DATABASE_ASK_MS, looked, watcher);
}

struct hx_watcher *hx_watcher_new(struct hx_database *database, const char *what) {
    struct hx_watcher *watcher = hx_alloc(sizeof *watcher);
    *watcher = (struct hx_watcher){ .database = database, .what = what };
    int64_t quarter = database->options->lock_timeout_ms / 4; /* several looks before the server gives up */
    watcher->pause_ms = HX_MIN(HX_MAX(quarter, (int64_t)1), (int64_t)FIRST_LOOK_MS);
    watcher->timer = hx_timer_new(database->loop, look, watcher);
    hx_timer_set(watcher->timer, watcher->pause_ms);
    return watcher;
}

const char *hx_watcher_seen(const struct hx_watcher *watcher) {
    return watcher->seen;
}

struct hx_watcher *hx_watcher_free(struct hx_watcher *watcher) {
    if (!watcher)
        return NULL;
    /* looked() may be called from in here, and sets the timer */
    hx_pg_free(watcher->pg);
    hx_timer_free(watcher->timer);
    free(watcher->seen);
    free(watcher);
    return NULL;
}
