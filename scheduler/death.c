#include "scheduler/death.h"

#include <stdlib.h>

enum { CODE_MAX = 100 }; /* job.last_error_code */

struct death *death_without_evidence(int32_t worker, const char *code, const char *message) {
    struct death *d = hx_alloc(sizeof *d);
    *d = (struct death){ .number = -1, .worker = worker, .no_evidence = true };
    d->code = hx_strdup(code);
    d->message = hx_strdup(message);
    d->detail = hx_strdup("{}");
    return d;
}

struct death *death_free(struct death *d) {
    if (!d)
        return NULL;
    free(d->ids);
    free(d->fences);
    free(d->ended);
    free(d->code);
    free(d->message);
    free(d->detail);
    free(d);
    return NULL;
}

struct known {
    struct hx_uuid id;
    int32_t fence;
    bool ended;
};

/* Started before ended: of two entries for one run the one that costs an attempt counts. */
static int by_run(const void *a, const void *b) {
    const struct known *x = a, *y = b;
    int order = hx_uuid_cmp(&x->id, &y->id);
    if (order == 0)
        order = (x->fence > y->fence) - (x->fence < y->fence);
    return order ? order : x->ended - y->ended;
}

static size_t collect(const struct hx_evidence *evidence, struct known *ret) {
    size_t n = 0;
    for (size_t i = 0; i < HX_EVIDENCE_ENTRIES; i++) {
        const struct hx_evidence_entry *entry = &evidence->entries[i];
        uint32_t state = atomic_load_explicit(&entry->state, memory_order_acquire);
        if (state == HX_EVIDENCE_STARTED || state == HX_EVIDENCE_ENDED)
            ret[n++] =
                (struct known){ .id = entry->job_id, .fence = entry->fence, .ended = state == HX_EVIDENCE_ENDED };
    }
    return n;
}

void death_read_evidence(struct death *d, const struct hx_evidence *evidence) {
    _cleanup_free_ struct known *known = hx_allocn(HX_EVIDENCE_ENTRIES, sizeof *known);
    size_t n = collect(evidence, known);
    qsort(known, n, sizeof *known, by_run);
    d->ids = hx_allocn(n + 1, sizeof *d->ids);
    d->fences = hx_allocn(n + 1, sizeof *d->fences);
    d->ended = hx_allocn(n + 1, sizeof *d->ended);
    d->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (i && known[i].fence == known[i - 1].fence && hx_uuid_eq(&known[i].id, &known[i - 1].id))
            continue;
        d->ids[d->n] = known[i].id;
        d->fences[d->n] = known[i].fence;
        d->ended[d->n++] = known[i].ended;
    }
}

/* The memfd. Without a readable one everything the worker held counts as started: the careful guess. */
static void take_evidence(struct death *d, int fd) {
    struct hx_evidence *evidence;
    d->no_evidence = fd < 0 || hx_evidence_map(fd, &evidence) < 0;
    if (d->no_evidence)
        return;
    if (!d->worker)
        d->worker = atomic_load(&evidence->worker_id);
    death_read_evidence(d, evidence);
    hx_evidence_unmap(evidence);
}

/* What its fleet cut short is as little its fault as what had ended: it runs again, and has one more attempt for that. */
static void acquit(struct death *d) {
    for (size_t i = 0; i < d->n; i++)
        d->ended[i] = true;
}

struct death *death_from_message(const json_t *message, int fd) {
    json_int_t number, worker = 0;
    if (hx_json_get_int(message, "death", &number) <= 0)
        return NULL;
    const char *code = "unknown", *text = "the worker died";
    hx_json_get_int(message, "worker", &worker);
    hx_json_get_string(message, "code", &code);
    hx_json_get_string(message, "message", &text);
    const json_t *detail = json_object_get(message, "detail");
    struct death *d = hx_alloc(sizeof *d);
    d->number = number;
    d->worker = worker > 0 && worker <= INT32_MAX ? (int32_t)worker : 0;
    char short_code[CODE_MAX + 1];
    hx_strcopy(short_code, sizeof short_code, code);
    d->code = hx_strdup(short_code);
    d->message = hx_strdup(text);
    d->detail = json_is_object(detail) ? hx_json_dump(detail) : hx_strdup("{}");
    take_evidence(d, fd);
    bool cut_short = false;
    hx_json_get_bool(message, "cut_short", &cut_short);
    if (cut_short)
        acquit(d);
    return d;
}

void death_simplify(struct death *d) {
    free(d->code);
    free(d->message);
    free(d->detail);
    d->code = hx_strdup("unknown");
    d->message = hx_strdup("the worker died; how can't be written down");
    d->detail = hx_strdup("{}");
}

struct hx_death death_for_ledger(const struct death *d, int64_t backoff_base_ms, int64_t backoff_max_ms,
                                 int32_t max_crashes) {
    return (struct hx_death){
        .worker = d->worker,
        .ids = d->ids,
        .fences = d->fences,
        .ended = d->ended,
        .n = d->n,
        .no_evidence = d->no_evidence,
        .code = d->code,
        .message = d->message,
        .detail = d->detail,
        .backoff_base_ms = backoff_base_ms,
        .backoff_max_ms = backoff_max_ms,
        .max_crashes = max_crashes,
    };
}
