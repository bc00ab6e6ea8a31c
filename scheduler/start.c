#include "common/process.h"
#include "lib/ledger/schema.h"
#include "scheduler/death.h"
#include "scheduler/scheduler.h"

#include <unistd.h>

/* Before anything else: is the schema the one this version knows? Then, where a supervisor runs us, the workers of its earlier runs:
 * it is gone, they died with it, and what they held waits for nobody. Alone, others on this host may well live: their leases tell. */

enum { SCHEMA, BEREAVED };

static bool ask_schema(struct scheduler *s, struct hx_pg_tx *tx) {
    if (s->checked)
        return false;
    hx_ledger_schema(tx);
    return true;
}

static void fatal(struct scheduler *s, const char *why) {
    hx_error(HX_EVENT("schema.refused"), "%s", why);
    hx_channel_tell(s->channel, "fatal", why, NULL);
    scheduler_leave(s, HX_EXIT_CONFIG);
}

static int64_t answer_schema(struct scheduler *s, const struct hx_pg_tx *tx) {
    const char *found = hx_pg_rows(tx, 0) ? hx_pg_get_text(tx, 0, 0, 0, NULL) : NULL;
    if (!hx_streq(found, hx_schema_head())) {
        _cleanup_free_ char *why = hx_schema_complaint(found);
        fatal(s, why);
        return TASK_RHYTHM;
    }
    s->checked = true;
    task_soon(s->begin[BEREAVED]);
    return TASK_RHYTHM;
}

static void failed_schema(struct scheduler *s, const struct hx_pg_error *error) {
    if (error->class != HX_PG_SCHEMA) {
        scheduler_waits(s, s->quick, error);
        return;
    }
    _cleanup_free_ char *why =
        hx_printf("the database has no schema of ours (%s): run heimdex-migrate upgrade head", error->message);
    fatal(s, why);
}

static bool ask_bereaved(struct scheduler *s, struct hx_pg_tx *tx) {
    if (!s->has_incarnation) {
        scheduler_started(s);
        reaper_soon(s->reaper);
        return false;
    }
    char host[33], hostname[256] = "";
    hx_machine_id(host);
    gethostname(hostname, sizeof hostname - 1);
    hx_ledger_bereaved(tx, host, hostname, s->instance, &s->incarnation);
    return true;
}

static int64_t answer_bereaved(struct scheduler *s, const struct hx_pg_tx *tx) {
    for (int row = 0; row < hx_pg_rows(tx, 0); row++)
        reaper_add(s->reaper,
                   death_without_evidence(hx_pg_get_int4(tx, 0, row, 0), "SIGKILL",
                                          "the fleet was restarted; nothing is known of how this worker ended"));
    if (reaper_idle(s->reaper))
        scheduler_started(s);
    else
        reaper_soon(s->reaper); /* the last of them starts us */
    return TASK_RHYTHM;
}

static const struct task_kind kinds[] = {
    [SCHEMA] = { .name = "schema", .ask = ask_schema, .answer = answer_schema, .failed = failed_schema },
    [BEREAVED] = { .name = "bereaved", .ask = ask_bereaved, .answer = answer_bereaved },
};
_Static_assert(HX_ARRAY_LEN(kinds) == HX_ARRAY_LEN(((struct scheduler *)0)->begin), "a task for each step");

void start_begin(struct scheduler *s) {
    for (size_t i = 0; i < HX_ARRAY_LEN(kinds); i++)
        s->begin[i] = task_new(s, s->slow, &kinds[i]);
    task_soon(s->begin[SCHEMA]);
}
