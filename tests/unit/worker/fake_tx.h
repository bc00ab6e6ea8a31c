/* A transaction that remembers its statements; the test answers or refuses it (or commits it: fake_commit.h). Statements of batches are
 * checked as they come: ids ascending, none twice. */
#pragma once

#include "tests/unit/worker/fake_jobs.h"

#include "worker/run.h"

#include <stdlib.h>

enum { PENDING_MAX = 128 };

enum kind {
    NOTHING, /* the second and third statement of one call */
    CLAIM,
    LIMITED,
    COMPLETE,
    SETTLE,
    PROGRESS,
    DONE,
    ANSWERED,
    PERMIT_FREE,
    RECEIPT,
    BACKEND,
    ASKED,
    AGAIN,
    CLAIMS_OF,
    TAKE,
    PARK,
    MISSING,
    QUARANTINE,
    RENEW,
    SIGNALS,
    SIGN_OFF,
    SCHEMA,
    TYPES,
    WORKER
};

struct statement {
    enum kind kind;
    struct hx_uuid *ids, token;
    int32_t *numbers; /* fences, attempts */
    char **texts;     /* details, codes */
    struct hx_outcome *outcomes;
    size_t n;
    char *type; /* or reason */
    int32_t number;
    struct hx_buf record; /* put in quarantine, and where it stood */
    int64_t offset;
    /* the answer */
    struct hx_uuid rows[JOBS_MAX];
    int row_count;
    bool yes;
    const char *text[8];
};

struct hx_pg_tx {
    const char *name;
    struct hx_pg *pg;
    struct statement **v;
    size_t n;
    int64_t timeout_ms;
    hx_pg_done_cb cb;
    void *user;
};

static struct hx_pg_tx *pending[PENDING_MAX];
static size_t pending_count;
static void (*on_submit)(struct hx_pg_tx *tx);

struct hx_pg_tx *hx_pg_tx_new(const char *name) {
    struct hx_pg_tx *tx = hx_alloc(sizeof *tx);
    tx->name = name;
    return tx;
}

static inline void statement_free(struct statement *s) {
    for (size_t i = 0; s->texts && i < s->n; i++)
        free(s->texts[i]);
    free(s->texts);
    free(s->ids);
    free(s->numbers);
    free(s->outcomes);
    free(s->type);
    hx_buf_reset(&s->record);
    free(s);
}

struct hx_pg_tx *hx_pg_tx_free(struct hx_pg_tx *tx) {
    for (size_t i = 0; tx && i < tx->n; i++)
        statement_free(tx->v[i]);
    if (tx)
        free(tx->v);
    free(tx);
    return NULL;
}

void hx_pg_submit(struct hx_pg *pg, struct hx_pg_tx *tx, int64_t timeout_ms, hx_pg_done_cb cb, void *user) {
    tx->pg = pg;
    tx->timeout_ms = timeout_ms;
    tx->cb = cb;
    tx->user = user;
    assert_true(pending_count < PENDING_MAX);
    pending[pending_count++] = tx;
    if (on_submit)
        on_submit(tx);
}

static inline struct statement *add(struct hx_pg_tx *tx, enum kind kind, const struct hx_uuid *ids, size_t n) {
    struct statement *s = hx_alloc(sizeof *s);
    s->kind = kind;
    s->ids = hx_allocn(n ? n : 1, sizeof *s->ids);
    s->n = n;
    if (n)
        memcpy(s->ids, ids, n * sizeof *ids);
    tx->v = hx_realloc(tx->v, (tx->n + 1) * sizeof(struct statement *));
    tx->v[tx->n++] = s;
    return s;
}

static inline void check_ascending(const struct hx_uuid *ids, size_t n) {
    for (size_t i = 1; i < n; i++)
        assert_true(hx_uuid_cmp(&ids[i - 1], &ids[i]) < 0);
}

/* Outcomes and progress: an id may come twice, if an outcome in doubt is repeated while the job has been claimed here again. The fences
 * tell them apart. */
static inline void check_runs(const struct hx_uuid *ids, const int32_t *fences, size_t n) {
    for (size_t i = 1; i < n; i++) {
        int order = hx_uuid_cmp(&ids[i - 1], &ids[i]);
        assert_true(order < 0 || (!order && fences[i - 1] != fences[i]));
    }
}

static inline void keep_numbers(struct statement *s, const int32_t *v) {
    s->numbers = hx_allocn(s->n, sizeof *v);
    memcpy(s->numbers, v, s->n * sizeof *v);
}

static inline int last(const struct hx_pg_tx *tx) {
    return (int)tx->n - 1;
}

/* ---- which there are ---- */

/* The first pending transaction of that name. */
static inline struct hx_pg_tx *find(const char *name) {
    for (size_t i = 0; i < pending_count; i++)
        if (hx_streq(pending[i]->name, name))
            return pending[i];
    return NULL;
}

static inline struct hx_pg_tx *expect(const char *name) {
    struct hx_pg_tx *tx = find(name);
    assert_non_null(tx);
    return tx;
}

static inline struct statement *statement_of(const struct hx_pg_tx *tx, enum kind kind) {
    for (size_t i = 0; i < tx->n; i++)
        if (tx->v[i]->kind == kind)
            return tx->v[i];
    return NULL;
}

/* ---- how one ends ---- */

static inline void end_tx(struct hx_pg_tx *tx, const struct hx_pg_error *error) {
    for (size_t i = 0; i < pending_count; i++)
        if (pending[i] == tx) {
            memmove(pending + i, pending + i + 1, (--pending_count - i) * sizeof(struct hx_pg_tx *));
            break;
        }
    if (tx->cb)
        tx->cb(tx, error, tx->user);
    hx_pg_tx_free(tx);
}

/* Ends it as it is: the test has made the rows itself. */
static inline void answer(struct hx_pg_tx *tx) {
    end_tx(tx, NULL);
}

static inline void refuse(struct hx_pg_tx *tx, enum hx_pg_class class, const char *sqlstate) {
    struct hx_pg_error e = { .class = class, .message = "told so", .statement = -1 };
    hx_strcopy(e.sqlstate, sizeof e.sqlstate, sqlstate);
    end_tx(tx, &e);
}
