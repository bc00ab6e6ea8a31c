/* A database, a ledger, a configuration and a consumer that do as they are told, in the place of the real ones.
 *
 * A transaction remembers its statements; the test ends it: commit (the jobs below change as the ledger would change them), refuse, or
 * lose (the connection broke in its COMMIT). What must hold at any time is checked here: no job twice in a batch, ids ascending, no claim
 * row deleted while a job of it runs, no success of a job that isn't running. */
#pragma once

#include "common/text.h"
#include "worker/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { JOBS_MAX = 512, PENDING_MAX = 32, CLAIMS_MAX = 4096, STORED_MAX = 256 };

/* ---- jobs, as PostgreSQL has them ---- */

struct job {
    const char *type, *payload, *reason; /* reason: in waiting */
    enum hx_status status;
    int32_t attempt, max_attempts, fence, crash_count, priority;
    int64_t timeout_ms;
    struct hx_uuid token;
    int ends;           /* how often it left `running` */
    char code[32];      /* of its last error */
    struct hx_buf told; /* details of its progress events */
    bool poison;        /* PostgreSQL refuses what its handler says */
};

static struct job jobs[JOBS_MAX]; /* by number; the id says the number */
static struct hx_uuid claim_rows[CLAIMS_MAX];
static bool claim_held[CLAIMS_MAX];
static size_t claim_count, permits;
static bool backend_alive;

static inline struct hx_uuid id_of(unsigned n) {
    return (struct hx_uuid){ .b = { 1, 0x89, [6] = 0x70, [8] = 0x80, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n } };
}

static inline unsigned number_of(const struct hx_uuid *id) {
    return (unsigned)id->b[14] << 8 | id->b[15];
}

static inline struct job *job_of(const struct hx_uuid *id) {
    return &jobs[number_of(id)];
}

static inline void add_job(unsigned n, const char *type) {
    jobs[n] = (struct job){ .type = type, .payload = "{}", .max_attempts = INT32_MIN, .timeout_ms = INT64_MIN };
}

/* Claims in the order in which they were first heard of; told() calls them A, B, C. */
static inline size_t claim_index(const struct hx_uuid *token) {
    for (size_t i = 0; i < claim_count; i++)
        if (hx_uuid_eq(&claim_rows[i], token))
            return i;
    assert_true(claim_count < CLAIMS_MAX);
    claim_rows[claim_count] = *token;
    return claim_count++;
}

static inline size_t claims_held(void) {
    size_t n = 0;
    for (size_t i = 0; i < claim_count; i++)
        n += claim_held[i];
    return n;
}

/* ---- transactions ---- */

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
    /* the answer */
    struct hx_uuid rows[JOBS_MAX];
    int row_count;
    bool yes;
    const char *text[8];
};

struct hx_pg {
    const char *name;
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

static struct hx_pg work_pg = { "work" }, side_pg = { "side" };
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

/* ---- the ledger's statements ---- */

int hx_ledger_claim(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                    const int32_t *max_attempts, size_t n, const char *const *types, size_t type_count,
                    const char *label) {
    check_ascending(ids, n);
    assert_string_equal(label, "host/main/0");
    assert_int_equal(worker, 7);
    assert_true(type_count > 0 && types[0]);
    struct statement *s = add(tx, CLAIM, ids, n);
    s->token = *token;
    claim_index(token);
    keep_numbers(s, max_attempts);
    int index = last(tx);
    add(tx, NOTHING, NULL, 0);
    add(tx, NOTHING, NULL, 0);
    return index;
}

int hx_ledger_claim_limited(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker, const struct hx_uuid *ids,
                            size_t n, int32_t max_attempts, const char *type, const char *label) {
    (void)label;
    check_ascending(ids, n);
    assert_int_equal(worker, 7);
    struct statement *s = add(tx, LIMITED, ids, n);
    s->token = *token;
    claim_index(token);
    s->number = max_attempts;
    s->type = hx_strdup(type);
    int index = last(tx);
    add(tx, NOTHING, NULL, 0);
    add(tx, NOTHING, NULL, 0);
    return index;
}

int hx_ledger_complete(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n, const char *detail) {
    assert_null(details);
    assert_non_null(detail);
    check_runs(ids, fences, n);
    keep_numbers(add(tx, COMPLETE, ids, n), fences);
    return last(tx);
}

int hx_ledger_settle(struct hx_pg_tx *tx, int32_t worker, const struct hx_outcome *outcomes, size_t n) {
    assert_int_equal(worker, 7);
    struct statement *s = add(tx, SETTLE, NULL, 0);
    s->n = n;
    s->ids = hx_realloc(s->ids, n * sizeof *s->ids);
    s->texts = hx_allocn(n, sizeof(char *));
    s->outcomes = hx_allocn(n, sizeof *outcomes);
    s->numbers = hx_allocn(n, sizeof *s->numbers);
    memcpy(s->outcomes, outcomes, n * sizeof *outcomes);
    for (size_t i = 0; i < n; i++) {
        s->ids[i] = outcomes[i].id;
        s->numbers[i] = outcomes[i].fence;
        s->texts[i] = outcomes[i].code ? hx_strdup(outcomes[i].code) : NULL;
    }
    check_runs(s->ids, s->numbers, n);
    return last(tx);
}

int hx_ledger_progress(struct hx_pg_tx *tx, const struct hx_uuid *ids, const int32_t *fences,
                       const char *const *details, size_t n) {
    check_runs(ids, fences, n);
    struct statement *s = add(tx, PROGRESS, ids, n);
    keep_numbers(s, fences);
    s->texts = hx_allocn(n, sizeof(char *));
    for (size_t i = 0; i < n; i++)
        s->texts[i] = hx_strdup(details[i]);
    return last(tx);
}

int hx_ledger_claim_done(struct hx_pg_tx *tx, const struct hx_uuid *tokens, size_t n) {
    add(tx, DONE, tokens, n);
    return last(tx);
}

int hx_ledger_answered(struct hx_pg_tx *tx, int32_t worker, const struct hx_uuid *ids, size_t n) {
    assert_int_equal(worker, 7);
    add(tx, ANSWERED, ids, n);
    return last(tx);
}

int hx_ledger_permit_free(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n) {
    add(tx, PERMIT_FREE, ids, n);
    return last(tx);
}

int hx_ledger_receipt(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, RECEIPT, NULL, 0)->token = *token;
    claim_index(token);
    return last(tx);
}

int hx_ledger_backend(struct hx_pg_tx *tx, int32_t backend_pid) {
    add(tx, BACKEND, NULL, 0)->number = backend_pid;
    return last(tx);
}

int hx_ledger_asked(struct hx_pg_tx *tx, const struct hx_uuid *token) {
    add(tx, ASKED, NULL, 0)->token = *token;
    return last(tx);
}

int hx_ledger_claimed_again(struct hx_pg_tx *tx, const struct hx_uuid *token, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, AGAIN, NULL, 0)->token = *token;
    return last(tx);
}

int hx_ledger_claims_of(struct hx_pg_tx *tx, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, CLAIMS_OF, NULL, 0);
    return last(tx);
}

int hx_ledger_take(struct hx_pg_tx *tx, const char *const *types, size_t type_count, int32_t limit) {
    assert_true(type_count > 0 && types[0] && limit > 0);
    struct statement *s = add(tx, TAKE, NULL, 0);
    s->type = hx_strdup(types[0]);
    s->number = limit;
    return last(tx);
}

struct hx_candidate hx_ledger_read_candidate(const struct hx_pg_tx *tx, int statement, int row) {
    assert_int_equal(tx->v[statement]->kind, TAKE);
    struct hx_uuid id = tx->v[statement]->rows[row];
    return (struct hx_candidate){ .id = id, .type = job_of(&id)->type, .priority = job_of(&id)->priority };
}

int hx_ledger_park(struct hx_pg_tx *tx, const struct hx_uuid *ids, size_t n, const char *reason) {
    add(tx, PARK, ids, n)->type = hx_strdup(reason);
    return last(tx);
}

int hx_ledger_quarantine(struct hx_pg_tx *tx, const char *topic, int32_t partition, int64_t offset, const char *reason,
                         const void *record, size_t size_kept, int64_t size) {
    (void)topic, (void)partition, (void)offset, (void)record, (void)size;
    struct statement *s = add(tx, QUARANTINE, NULL, 0);
    s->type = hx_strdup(reason);
    s->number = (int32_t)size_kept;
    return last(tx);
}

static int64_t lease_told_ms;

int hx_ledger_renew(struct hx_pg_tx *tx, int32_t worker, int32_t running, int64_t lease_ms) {
    assert_int_equal(worker, 7);
    add(tx, RENEW, NULL, 0)->number = running;
    lease_told_ms = lease_ms;
    return last(tx);
}

int hx_ledger_signals(struct hx_pg_tx *tx, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, SIGNALS, NULL, 0);
    return last(tx);
}

int hx_ledger_sign_off(struct hx_pg_tx *tx, int32_t worker) {
    assert_int_equal(worker, 7);
    add(tx, SIGN_OFF, NULL, 0);
    return last(tx);
}

int hx_ledger_schema(struct hx_pg_tx *tx) {
    add(tx, SCHEMA, NULL, 0);
    return last(tx);
}

int hx_ledger_register_types(struct hx_pg_tx *tx, const struct hx_type_info *types, size_t n) {
    assert_true(n > 0 && types[0].type);
    add(tx, TYPES, NULL, 0)->number = (int32_t)n;
    return last(tx);
}

int hx_ledger_register_worker(struct hx_pg_tx *tx, const struct hx_worker_info *worker) {
    assert_non_null(worker->host);
    add(tx, WORKER, NULL, 0);
    return last(tx);
}

/* ---- reading results ---- */

int hx_pg_rows(const struct hx_pg_tx *tx, int statement) {
    assert_in_range(statement, 0, tx->n - 1);
    return tx->v[statement]->row_count;
}

struct hx_uuid hx_ledger_read_id(const struct hx_pg_tx *tx, int statement, int row) {
    return tx->v[statement]->rows[row];
}

struct hx_uuid hx_pg_get_uuid(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)col;
    return tx->v[statement]->rows[row];
}

const char *hx_pg_get_text(const struct hx_pg_tx *tx, int statement, int row, int col, size_t *ret_len) {
    (void)col;
    const char *text = tx->v[statement]->text[row];
    if (ret_len)
        *ret_len = text ? strlen(text) : 0;
    return text;
}

int32_t hx_pg_get_int4(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)row, (void)col;
    return tx->v[statement]->number;
}

bool hx_pg_get_bool(const struct hx_pg_tx *tx, int statement, int row, int col) {
    (void)row, (void)col;
    return tx->v[statement]->yes;
}

struct hx_job hx_ledger_read_job(const struct hx_pg_tx *tx, int statement, int row) {
    enum kind kind = tx->v[statement]->kind;
    assert_true(kind == CLAIM || kind == LIMITED || kind == AGAIN);
    struct hx_uuid id = tx->v[statement]->rows[row];
    const struct job *j = job_of(&id);
    return (struct hx_job){ .id = id,
                            .type = j->type,
                            .attempt = j->attempt,
                            .max_attempts = j->max_attempts,
                            .fence = j->fence,
                            .crash_count = j->crash_count,
                            .priority = j->priority,
                            .timeout_ms = j->timeout_ms,
                            .payload = j->payload,
                            .payload_len = strlen(j->payload) };
}

/* ---- what a commit does ---- */

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

/* ---- ending a transaction ---- */

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

static inline void commit(struct hx_pg_tx *tx) {
    apply(tx);
    end_tx(tx, NULL);
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

/* ---- a transaction in words: "complete(1 2) settle(3=failed) answered(1 2 3) done(A) claim B(4 5)" ---- */

static inline void tell_ids(struct hx_buf *b, const struct statement *s) {
    hx_buf_putc(b, '(');
    for (size_t i = 0; i < s->n; i++) {
        hx_buf_puts(b, i ? " " : "");
        if (s->kind == DONE)
            hx_buf_putc(b, (char)('A' + claim_index(&s->ids[i])));
        else
            hx_buf_printf(b, "%u", number_of(&s->ids[i]));
        if (s->kind == SETTLE)
            hx_buf_printf(b, "=%s", hx_status_name(s->outcomes[i].status));
    }
    hx_buf_putc(b, ')');
}

static inline void tell_statement(struct hx_buf *b, const struct statement *s) {
    static const char *const names[] = { "",        "claim",    "limited", "complete", "settle",     "progress",
                                         "done",    "answered", "free",    "receipt",  "backend",    "asked",
                                         "again",   "claims",   "take",    "park",     "quarantine", "renew",
                                         "signals", "sign_off", "schema",  "types",    "worker" };
    if (s->kind == NOTHING)
        return;
    hx_buf_puts(b, b->len ? " " : "");
    hx_buf_puts(b, names[s->kind]);
    if (s->kind == CLAIM || s->kind == LIMITED || s->kind == RECEIPT || s->kind == ASKED || s->kind == AGAIN)
        hx_buf_printf(b, " %c", (char)('A' + claim_index(&s->token)));
    if (s->n)
        tell_ids(b, s);
}

static inline void check_told(const struct hx_pg_tx *tx, const char *expected) {
    _cleanup_buf_ struct hx_buf b = { 0 };
    hx_buf_puts(&b, "");
    for (size_t i = 0; i < tx->n; i++)
        tell_statement(&b, tx->v[i]);
    assert_string_equal(b.data, expected);
}

/* ---- connections, configuration, consumer ---- */

int hx_pg_new(struct hx_loop *loop, const struct hx_pg_options *options, hx_pg_state_cb cb, void *user,
              struct hx_pg **ret) {
    (void)loop, (void)cb, (void)user;
    bool side = hx_streq(options->application_name, "heimdex-worker-side");
    assert_true(side || hx_streq(options->application_name, "heimdex-worker-0-00000000"));
    *ret = side ? &side_pg : &work_pg;
    return 0;
}

static bool work_away, side_away;

bool hx_pg_connected(const struct hx_pg *pg) {
    return pg == &work_pg ? !work_away : !side_away;
}

char *hx_pg_server(struct hx_pg *pg) {
    return hx_printf("PostgreSQL at %s", pg->name);
}

const char *hx_pg_error_reason(const struct hx_pg_error *error) {
    return error->message;
}

struct hx_pg *hx_pg_free(struct hx_pg *pg) {
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < pending_count && !more; i++)
            if (pending[i]->pg == pg) {
                more = true;
                refuse(pending[i], HX_PG_UNAVAILABLE, "");
            }
    }
    return NULL;
}

static int64_t settings[HX_KEYS];
static struct hx_handler_config handler_configs[8];
static size_t handler_config_count;

int64_t hx_config_int(const struct hx_config *c, enum hx_key key) {
    (void)c;
    return settings[key];
}

const char *hx_config_string(const struct hx_config *c, enum hx_key key) {
    (void)c, (void)key;
    return "heimdex";
}

const char *const *hx_config_list(const struct hx_config *c, enum hx_key key, size_t *ret_n) {
    (void)c, (void)key;
    *ret_n = 0;
    return NULL;
}

const struct hx_handler_config *hx_config_handlers(const struct hx_config *c, size_t *ret_n) {
    (void)c;
    *ret_n = handler_config_count;
    return handler_configs;
}

void hx_config_postgres(const struct hx_config *c, const char *const **ret_keywords, const char *const **ret_values) {
    (void)c;
    *ret_keywords = *ret_values = NULL;
}

static struct hx_record records[STORED_MAX];
static size_t record_count, record_next;
static int64_t stored[STORED_MAX];
static size_t stored_count;
static bool consumer_paused, consumer_left, consumer_refused;
static struct hx_consumer_callbacks consumer_callbacks;
static struct hx_consumer_options consumer_options;

int hx_consumer_new(struct hx_loop *loop, const struct hx_consumer_options *options,
                    const struct hx_consumer_callbacks *callbacks, void *user, struct hx_consumer **ret,
                    struct hx_kafka_error *reterr) {
    (void)loop, (void)user;
    if (consumer_refused) {
        *reterr = (struct hx_kafka_error){ .message = "told so" };
        return -EINVAL;
    }
    consumer_callbacks = *callbacks;
    consumer_options = *options;
    *ret = (struct hx_consumer *)records;
    return 0;
}

bool hx_consumer_poll(struct hx_consumer *c, bool prefer_low, struct hx_record *ret) {
    (void)c, (void)prefer_low;
    if (consumer_paused || record_next == record_count)
        return false;
    *ret = records[record_next++];
    return true;
}

void hx_record_free(struct hx_record *record) {
    (void)record;
}

void hx_consumer_store(struct hx_consumer *c, const char *topic, int32_t partition, int64_t next_offset) {
    (void)c, (void)topic, (void)partition;
    stored[stored_count++] = next_offset;
}

void hx_consumer_pause(struct hx_consumer *c, bool paused) {
    (void)c;
    consumer_paused = paused;
}

void hx_consumer_leave(struct hx_consumer *c) {
    (void)c;
    consumer_left = true;
}

struct hx_consumer *hx_consumer_close(struct hx_consumer *c, int timeout_ms) {
    (void)c, (void)timeout_ms;
    return NULL;
}
