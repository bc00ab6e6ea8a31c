/* What a commit does: the jobs change as the ledger would change them. */
#pragma once

#include "tests/unit/worker/fake_ledger.h"

static bool backend_alive; /* of the connection that broke */

static inline void add_row(struct statement *s, const struct hx_uuid *id) {
    s->rows[s->row_count++] = *id;
}

static inline void apply_claim(struct statement *s) {
    for (size_t i = 0; i < s->n; i++) {
        struct job *j = job_of(&s->ids[i]);
        if (j->status != HX_QUEUED || !j->type || (s->kind == LIMITED && (!hx_streq(j->type, s->type) || !permits)))
            continue;
        permits -= s->kind == LIMITED;
        j->status = HX_RUNNING;
        j->fence++;
        j->attempt++;
        if (j->max_attempts == INT32_MIN)
            j->max_attempts = s->kind == LIMITED ? s->number : s->numbers[i];
        j->token = s->token;
        add_row(s, &s->ids[i]);
        claim_held[claim_index(&s->token)] = true;
    }
}

static inline void leave_running(struct statement *s, size_t i, const struct hx_outcome *o) {
    struct job *j = job_of(&s->ids[i]);
    if (j->status != HX_RUNNING || j->fence != (o ? o->fence : s->numbers[i]))
        return; /* refused by its fence */
    j->status = o ? o->status : HX_SUCCEEDED;
    j->attempt += o ? o->add_attempt : 0;
    j->max_attempts += o ? o->add_max_attempts : 0;
    hx_strcopy(j->code, sizeof j->code, o && s->texts[i] ? s->texts[i] : "");
    j->ends++;
    add_row(s, &s->ids[i]);
}

static inline void apply_progress(struct statement *s) {
    for (size_t i = 0; i < s->n; i++) {
        struct job *j = job_of(&s->ids[i]);
        if (j->status == HX_RUNNING && j->fence == s->numbers[i])
            hx_buf_puts(&j->told, s->texts[i]);
    }
}

/* Never while a job of it runs: nobody would find that job again. */
static inline void apply_done(struct statement *s) {
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < JOBS_MAX; k++)
            assert_false(jobs[k].status == HX_RUNNING && hx_uuid_eq(&jobs[k].token, &s->ids[i]));
        claim_held[claim_index(&s->ids[i])] = false;
    }
}

static inline void apply_again(struct statement *s) {
    for (unsigned k = 0; k < JOBS_MAX; k++) {
        struct hx_uuid id = id_of(k);
        if (jobs[k].status == HX_RUNNING && hx_uuid_eq(&jobs[k].token, &s->token))
            add_row(s, &id);
    }
}

static inline void apply_one(struct statement *s) {
    if (s->kind == CLAIM || s->kind == LIMITED)
        apply_claim(s);
    for (size_t i = 0; (s->kind == COMPLETE || s->kind == SETTLE) && i < s->n; i++)
        leave_running(s, i, s->kind == SETTLE ? &s->outcomes[i] : NULL);
    if (s->kind == PROGRESS)
        apply_progress(s);
    if (s->kind == DONE)
        apply_done(s);
    if (s->kind == PERMIT_FREE)
        permits += s->n;
    if (s->kind == AGAIN)
        apply_again(s);
    for (size_t i = 0; s->kind == CLAIMS_OF && i < claim_count; i++)
        if (claim_held[i])
            add_row(s, &claim_rows[i]);
    for (size_t i = 0; s->kind == MISSING && i < s->n; i++)
        if (!job_of(&s->ids[i])->type)
            add_row(s, &s->ids[i]);
    if (s->kind == RECEIPT)
        claim_held[claim_index(&s->token)] = true;
    if (s->kind == BACKEND)
        s->yes = backend_alive;
    if (s->kind == ASKED)
        s->yes = claim_held[claim_index(&s->token)];
}

static inline void apply(struct hx_pg_tx *tx) {
    for (size_t i = 0; i < tx->n; i++)
        apply_one(tx->v[i]);
}

static inline void commit(struct hx_pg_tx *tx) {
    apply(tx);
    end_tx(tx, NULL);
}

enum { OLD_BACKEND = 4711 };

/* The connection broke in the COMMIT; did_commit: it happened all the same. */
static inline void lose(struct hx_pg_tx *tx, bool did_commit) {
    struct hx_pg_error e = { .class = HX_PG_UNAVAILABLE, .message = "gone", .statement = -1, .in_doubt = true };
    e.backend_pid = OLD_BACKEND;
    if (did_commit)
        apply(tx);
    end_tx(tx, &e);
}

/* Would PostgreSQL refuse a value of it? */
static inline bool is_poisoned(const struct hx_pg_tx *tx) {
    for (size_t i = 0; i < tx->n; i++)
        for (size_t k = 0; k < tx->v[i]->n; k++) {
            const struct statement *s = tx->v[i];
            if ((s->kind == COMPLETE || (s->kind == SETTLE && !hx_streq(s->texts[k], "22P05"))) &&
                job_of(&s->ids[k])->poison)
                return true;
        }
    return false;
}
