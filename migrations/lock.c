#include "migrations/lock.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/holder.h"
#include "migrations/proxy.h"

#include <inttypes.h>
#include <time.h>

#define TRIES 3
#define PAUSE_MS 100
#define PATIENCE_MS 1000 /* then we say what we wait for */

/* Its two keys. */
#define KEYS "hashtext('heimdex-migrate'), hashtext($1::text)"
/* The lock as pg_locks shows it: keys as unsigned numbers. */
#define IS_OURS                                                                                              \
    "locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()) " \
    "and classid = (hashtext('heimdex-migrate')::int8 & 4294967295)::oid "                                   \
    "and objid = (hashtext($1::text)::int8 & 4294967295)::oid and objsubid = 2 and granted"

static void read_answer(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    bool *granted = user;
    *granted = !error && hx_pg_get_bool(tx, 0, 0, 0);
}

/* Asked for again and again instead of waited for: a session that waits holds a snapshot, and CREATE INDEX CONCURRENTLY
 * of the one who has the lock would wait for that to end. */
static int try_once(struct hx_database *database, bool *ret_granted) {
    static const struct hx_pg_stmt attempt = { "lock_try", "select pg_try_advisory_lock(" KEYS ")" };
    struct hx_pg_tx *tx = hx_pg_tx_new("lock_try");
    hx_pg_tx_add(tx, &attempt);
    hx_pg_text(tx, database->schema);
    return hx_database_ask(database, tx, read_answer, ret_granted);
}

static int find_holder(struct hx_database *database, struct hx_buf *ret) {
    static const struct hx_pg_stmt find = {
        "lock_holder",
        "select " HX_HOLDER_TEXT " from pg_stat_activity a where pid in (select pid from pg_locks where " IS_OURS ")",
    };
    struct hx_pg_tx *tx = hx_pg_tx_new("lock_holder");
    hx_pg_tx_add(tx, &find);
    hx_pg_text(tx, database->schema);
    return hx_database_ask(database, tx, hx_holder_read, ret);
}

static void pause_for(int64_t ms) {
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&t, &t) != 0)
        continue;
}

static int wait_for(struct hx_database *database, bool *ret_granted) {
    int64_t now = hx_mono_ms(), patience = now + PATIENCE_MS,
            deadline = now + TRIES * database->options->lock_timeout_ms;
    int r = try_once(database, ret_granted);
    while (r == 0 && !*ret_granted && (now = hx_mono_ms()) < deadline) {
        if (patience && now >= patience) {
            _cleanup_buf_ struct hx_buf holder = { 0 };
            patience = 0;
            if (find_holder(database, &holder) == 0 && holder.len)
                hx_complain("lock: waiting for another heimdex-migrate: %s", holder.data);
        }
        pause_for(HX_MIN((int64_t)PAUSE_MS, deadline - now));
        r = try_once(database, ret_granted);
    }
    return r;
}

int hx_lock_take(struct hx_database *database) {
    bool granted = false;
    int r = hx_proxy_refuse(database);
    if (r == 0)
        r = wait_for(database, &granted);
    if (r != 0 || granted)
        return r;
    _cleanup_buf_ struct hx_buf holder = { 0 };
    r = find_holder(database, &holder);
    if (r != 0)
        return r;
    hx_complain("lock: %s: another heimdex-migrate holds it, not granted within %d times %" PRId64 " ms: %s",
                database->schema, TRIES, database->options->lock_timeout_ms,
                holder.len ? holder.data : "it has ended just now");
    return HX_EXIT_TRY_AGAIN;
}

int hx_lock_add_check(struct hx_pg_tx *tx, struct hx_database *database) {
    static const struct hx_pg_stmt held = {
        "lock_held",
        "select 1 / (count(*) = 1)::int from pg_locks where pid = pg_backend_pid() and " IS_OURS,
    };
    int index = hx_pg_tx_add(tx, &held);
    hx_pg_text(tx, database->schema);
    return index;
}
