#include "migrations/proxy.h"

#include "common/exit_codes.h"
#include "common/log.h"

#define ROUNDS 3

static void read_pid(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user) {
    int32_t *pid = user;
    *pid = error ? 0 : hx_pg_get_int4(tx, 0, 0, 0);
}

/* 0 when there was no answer. */
static int32_t ask_pid(struct hx_pg *pg) {
    static const struct hx_pg_stmt stmt = { "proxy_pid", "select pg_backend_pid()" };
    int32_t pid = 0;
    struct hx_pg_tx *tx = hx_pg_tx_new("proxy_pid");
    hx_pg_tx_add(tx, &stmt);
    hx_pg_run(pg, tx, HX_DATABASE_ASK_MS, read_pid, &pid, NULL);
    return pid;
}

/* A second connection that gets no answer waits for a session, as it does in a pool by session that is used up. */
static bool is_pooled(const struct hx_database *database, struct hx_pg *second) {
    for (int round = 0; round < ROUNDS; round++) {
        int32_t other = ask_pid(second);
        if (other == 0)
            return false;
        int32_t mine = ask_pid(database->pg);
        if (other == database->backend || (mine != 0 && mine != database->backend))
            return true;
    }
    return false;
}

int hx_proxy_refuse(struct hx_database *database) {
    if (hx_pg_backend_pid(database->pg) == database->backend)
        return 0;
    struct hx_pg *second = NULL;
    if (hx_database_second(database, &second) < 0)
        return HX_EXIT_SOFTWARE;
    bool pooled = is_pooled(database, second);
    hx_pg_free(second);
    if (!pooled)
        return 0;
    hx_complain(
        "postgresql: a proxy in between pools by transaction, and migrations need a session of their own for their "
        "lock: connect to the server itself, or to a pool in session mode");
    return HX_EXIT_CONFIG;
}
