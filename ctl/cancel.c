/* heimdexctl cancel. */
#include "common/clock.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/operate.h"

#include <time.h>

enum { WAIT_DEFAULT_MS = 30000, LOOK_MS = 200 };

/* Queued and failed jobs are canceled in the same transaction; of a running one only its worker can end the processes. */
static void judge(struct verdict *v) {
    v->code = hx_status_terminal(v->was) ? HX_EXIT_NO : HX_EXIT_OK;
    v->asked = v->was == HX_RUNNING;
    switch (v->was) {
    case HX_RUNNING: v->says = "asked its worker to stop"; break;
    case HX_SUCCEEDED: v->says = "already succeeded"; break;
    case HX_CANCELED: v->says = "already canceled"; break;
    case HX_DEAD_LETTER: v->says = "already dead_letter"; break;
    default: v->says = "canceled"; break;
    }
}

/* ---- --wait ---- */

struct look {
    const struct hx_uuid *id;
    int statement;
    bool found;
    enum hx_status status;
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct look *look = user;
    look->statement = hx_ledger_watch(tx, look->id);
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct look *look = user;
    look->found = hx_pg_rows(tx, look->statement) > 0 &&
                  hx_status_parse(hx_pg_get_text(tx, look->statement, 0, 0, NULL), &look->status) == 0;
}

/* What a job that was asked to stop came to. */
static void conclude(struct verdict *v, const struct look *look) {
    v->code = look->found && look->status == HX_CANCELED ? HX_EXIT_OK : HX_EXIT_NO;
    if (!look->found)
        v->says = "no such job any more";
    else if (look->status == HX_CANCELED)
        v->says = "canceled";
    else if (look->status == HX_SUCCEEDED)
        v->says = "succeeded before it could be stopped";
    else
        v->says = "died before it could be stopped";
}

static int wait_for(struct ctl *c, struct verdict *v, int64_t deadline_ms) {
    static const struct query query = { "watch", add, take_rows };
    for (;;) {
        struct look look = { .id = &v->id };
        int code = connection_run(c, &query, &look);
        if (code)
            return code;
        if (!look.found || hx_status_terminal(look.status)) {
            conclude(v, &look);
            return 0;
        }
        if (hx_mono_ms() >= deadline_ms) {
            v->code = HX_EXIT_TRY_AGAIN;
            v->says = "asked its worker to stop; it has not yet";
            return 0;
        }
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000 }, NULL);
    }
}

static int wait_for_all(struct ctl *c, struct verdicts *v) {
    int64_t deadline = hx_mono_ms() + (c->args.wait_ms < 0 ? WAIT_DEFAULT_MS : c->args.wait_ms);
    int code = 0;
    for (size_t i = 0; i < v->count && !code; i++)
        if (v->list[i].asked)
            code = wait_for(c, &v->list[i], deadline);
    return code;
}

int ctl_cancel(struct ctl *c) {
    static const struct operation operation = { .name = "cancel", .add = hx_ledger_cancel, .judge = judge };
    struct verdicts v;
    int code = verdicts_init(c, &v);
    if (!code)
        code = operate(c, &operation, &v);
    if (!code && c->args.wait)
        code = wait_for_all(c, &v);
    if (!code)
        code = verdicts_report(c, &v);
    verdicts_reset(&v);
    return code;
}
