#include "worker/alone.h"
#include "worker/aside.h"

#include <stdlib.h>

/* A worker whose slots are all taken by long runs, or by one that has to be alone, would keep what it was told of from workers that are idle. Candidates that found no slot
 * for a while go back to PostgreSQL, where whoever has a free slot takes them, and their records are done. */

enum { PATIENCE_MS = 500 };

static bool full(const struct worker *w, bool builtin) {
    return alone_wanted(w) || (builtin ? w->builtin_running >= worker_batch(w) : w->slots_running >= worker_slots(w));
}

static void park_kind(struct worker *w, bool builtin) {
    if (!full(w, builtin))
        return;
    struct candidate *late;
    size_t n = backlog_late(w->backlog, builtin, hx_boot_ms() - PATIENCE_MS, &late);
    if (n) {
        aside_park(w, NULL, late, n, "busy");
        w->clogged |= !builtin;
    }
    free(late);
}

void worker_park(struct worker *w) {
    if (w->draining || w->parking) /* one at a time: while PostgreSQL is away, they stay here */
        return;
    park_kind(w, true);
    park_kind(w, false);
}
