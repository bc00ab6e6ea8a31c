/* Who holds the lock that we wait for: asked while we wait, because afterwards nobody knows. */
#pragma once

#include "common/text.h"
#include "migrations/database.h"

/* The select list that tells of the sessions of pg_stat_activity, aliased a: one text, or null. Another role's session shows
 * little of itself to us. */
#define HX_HOLDER_TEXT                                                                                              \
    "string_agg(format('pid %s (%s%s, query started %s%s)', a.pid, coalesce(nullif(a.application_name, ''), "       \
    "'unnamed application'), coalesce(', user ' || a.usename, ''), "                                                \
    "coalesce(to_char(a.query_start at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'at an unknown time'), " \
    "coalesce(', ' || a.state, '')), '; ' order by a.pid)"

/* Appends the text of such a query, statement 0, to the struct hx_buf that user points to. */
void hx_holder_read(struct hx_pg_tx *tx, const struct hx_pg_error *error, void *user);

struct hx_watcher;

/* Watches from a second connection, made only when there is something to wait for, who blocks the database's session. what
 * names the revision in the line that is printed when somebody does; it must outlive the watcher. */
struct hx_watcher *hx_watcher_new(struct hx_database *database, const char *what);
/* The text of the last one who was seen in the way, or NULL. */
const char *hx_watcher_seen(const struct hx_watcher *watcher);
struct hx_watcher *hx_watcher_free(struct hx_watcher *watcher); /* NULL is fine */
