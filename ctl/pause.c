/* heimdexctl pause and resume. */
#include "common/log.h"
#include "ctl/command.h"
#include "ctl/connection.h"
#include "ctl/output.h"
#include "lib/ledger/ledger.h"

#include <limits.h>

struct change {
    const char *type;
    bool paused, found;
    int pause, types; /* statements */
    char *nearest;    /* of the types there are, or NULL */
};

static void add(struct hx_pg_tx *tx, void *user) {
    struct change *change = user;
    change->pause = hx_ledger_pause(tx, change->type, change->paused);
    change->types = hx_ledger_types(tx);
}

static void take_rows(const struct hx_pg_tx *tx, void *user) {
    struct change *change = user;
    unsigned least = UINT_MAX;
    change->found = hx_pg_affected(tx, change->pause) > 0;
    for (int i = 0; i < hx_pg_rows(tx, change->types) && !change->found; i++) {
        struct hx_type_info info = hx_ledger_read_type(tx, change->types, i);
        unsigned distance = hx_edit_distance(change->type, info.type);
        if (distance >= least)
            continue;
        least = distance;
        free(change->nearest);
        change->nearest = hx_strdup(info.type);
    }
}

static int report(struct ctl *c, const struct change *change) {
    if (!change->found && change->nearest)
        hx_complain("%s: %s: no such type, did you mean %s?", c->command->name, change->type, change->nearest);
    else if (!change->found)
        hx_complain("%s: %s: no such type: a type is known once a worker that has a handler for it has started",
                    c->command->name, change->type);
    if (!change->found)
        return HX_EXIT_NO;
    if (c->args.json) {
        json_t *object = json_object();
        json_object_set_new(object, "type", json_string(change->type));
        json_object_set_new(object, "paused", json_boolean(change->paused));
        return output_json(object, 0);
    }
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_buf_printf(&out, "%s %s\n", change->type,
                  change->paused ? "paused: what runs ends, nothing more starts" : "resumed");
    return output_end(&out, 0);
}

static int set_paused(struct ctl *c, bool paused) {
    static const struct query query = { "pause", add, take_rows };
    struct change change = { .type = c->words[0], .paused = paused };
    int code = connection_run(c, &query, &change);
    if (!code)
        code = report(c, &change);
    free(change.nearest);
    return code;
}

int ctl_pause(struct ctl *c) {
    return set_paused(c, true);
}

int ctl_resume(struct ctl *c) {
    return set_paused(c, false);
}
