/* What cancel and retry share: ids in, one transaction a batch, a line or an object for each id out. */
#pragma once

#include "ctl/ctl.h"
#include "lib/ledger/ledger.h"

/* What the ledger said of one id. */
struct verdict {
    struct hx_uuid id;
    bool found, stopping;
    enum hx_status was;
    bool asked;       /* found running and asked to stop */
    int code;         /* the exit code this one means */
    const char *says; /* "canceled", "no such job" */
};

struct operation {
    const char *name; /* of the transaction: a literal */
    /* Appends the statement; rows: uuid id, text status before, and with `stopping` bool stopping. */
    int (*add)(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason);
    bool stopping;
    /* Sets asked, code and says from the rest. */
    void (*judge)(struct verdict *v);
};

struct verdicts {
    struct verdict *list; /* by id, each once */
    size_t count;
};

/* Reads the words as ids. 0, or HX_EXIT_USAGE, complained of. */
int verdicts_init(struct ctl *c, struct verdicts *v);
void verdicts_reset(struct verdicts *v);
/* Does it to all. 0, or the exit code of a failure, complained of. */
int operate(struct ctl *c, const struct operation *operation, struct verdicts *v);
/* Says what came of each in the order of the words; returns the worst exit code. */
int verdicts_report(struct ctl *c, const struct verdicts *v);
/* --reason, or who did it with what: "heimdexctl cancel by root". The caller frees. */
char *operate_reason(const struct ctl *c);
