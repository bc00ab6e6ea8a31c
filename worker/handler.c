#include "worker/handler.h"

#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* A record of a builtin's ids may be as long as a claim likes it; a job that takes a slot travels alone, or a worker with one free
 * slot would hold fifty. */
enum { ANNOUNCE_BUILTIN = 50, ANNOUNCE_SLOT = 1 };

static int64_t or_default(int64_t own, const struct hx_config *config, enum hx_key key) {
    return own >= 0 ? own : hx_config_int(config, key);
}

static struct handler resolve(const struct hx_handler_config *own, const struct hx_config *config,
                              enum handler_kind kind) {
    return (struct handler){
        .type = own->type,
        .queue = own->queue ? own->queue : "default",
        .kind = kind,
        .exec = own->exec,
        .timeout_ms = or_default(own->timeout_ms, config, HX_JOBS_TIMEOUT),
        .backoff_base_ms = or_default(own->backoff_base_ms, config, HX_JOBS_BACKOFF_BASE),
        .backoff_max_ms = or_default(own->backoff_max_ms, config, HX_JOBS_BACKOFF_MAX),
        .memory_max = own->memory_max > 0 ? own->memory_max : 0,
        .tasks_max = own->tasks_max > 0 ? own->tasks_max : 0,
        .cpu_max = own->cpu_max > 0 ? own->cpu_max : 0,
        .max_attempts = (int32_t)or_default(own->max_attempts, config, HX_JOBS_MAX_ATTEMPTS),
        .concurrency = own->concurrency > 0 ? own->concurrency : 0,
        .announce = kind == HANDLER_MOCK ? ANNOUNCE_BUILTIN : ANNOUNCE_SLOT,
    };
}

static int by_type(const void *a, const void *b) {
    return strcmp(((const struct handler *)a)->type, ((const struct handler *)b)->type);
}

static void collect(struct handlers *h) {
    h->types = hx_allocn(h->n, sizeof *h->types);
    h->free_types = hx_allocn(h->n, sizeof *h->free_types);
    for (size_t i = 0; i < HX_ARRAY_LEN(h->kinds); i++)
        h->kinds[i].v = hx_allocn(h->n, sizeof *h->kinds[i].v);
    h->queues = hx_allocn(h->n, sizeof *h->queues);
    for (size_t i = 0; i < h->n; i++) {
        h->v[i].index = i;
        h->types[i] = h->v[i].type;
        struct types *kind = &h->kinds[handler_builtin(&h->v[i])];
        kind->v[kind->n++] = h->v[i].type;
        if (!h->v[i].concurrency)
            h->free_types[h->free_count++] = h->v[i].type;
        bool known = false;
        for (size_t q = 0; q < h->queue_count; q++)
            known |= hx_streq(h->queues[q], h->v[i].queue);
        if (!known)
            h->queues[h->queue_count++] = h->v[i].queue;
    }
}

struct handlers *handlers_new(const struct hx_config *config) {
    static const struct hx_handler_config plain = { .type = "mock_process",
                                                    .timeout_ms = -1,
                                                    .backoff_base_ms = -1,
                                                    .backoff_max_ms = -1,
                                                    .max_attempts = -1,
                                                    .concurrency = -1 };
    size_t configured;
    const struct hx_handler_config *own = hx_config_handlers(config, &configured);
    struct handlers *h = hx_alloc(sizeof *h);
    h->v = hx_allocn(configured + 1, sizeof *h->v);
    bool mock = false;
    for (size_t i = 0; i < configured; i++) {
        if (hx_streq(own[i].type, plain.type)) {
            h->v[h->n++] = resolve(&own[i], config, HANDLER_MOCK);
            mock = true;
        } else if (own[i].exec) {
            h->v[h->n++] = resolve(&own[i], config, HANDLER_EXEC);
        }
    }
    if (!mock)
        h->v[h->n++] = resolve(&plain, config, HANDLER_MOCK);
    qsort(h->v, h->n, sizeof *h->v, by_type);
    collect(h);
    return h;
}

struct handlers *handlers_free(struct handlers *h) {
    if (!h)
        return NULL;
    free(h->v);
    free(h->types);
    free(h->free_types);
    for (size_t i = 0; i < HX_ARRAY_LEN(h->kinds); i++)
        free(h->kinds[i].v);
    free(h->queues);
    free(h);
    return NULL;
}

const struct handler *handlers_find(const struct handlers *h, const char *type) {
    const struct handler key = { .type = type };
    return bsearch(&key, h->v, h->n, sizeof *h->v, by_type);
}

struct hx_type_info *handlers_infos(const struct handlers *h) {
    struct hx_type_info *infos = hx_allocn(h->n, sizeof *infos);
    for (size_t i = 0; i < h->n; i++) {
        const struct handler *v = &h->v[i];
        infos[i] = (struct hx_type_info){
            .type = v->type,
            .queue = v->queue,
            .announce = v->announce,
            .concurrency = v->concurrency ? v->concurrency : INT32_MIN,
            .max_attempts = v->max_attempts,
            .limits = hx_printf("{\"timeout_ms\":%lld,\"backoff_base_ms\":%lld,\"backoff_max_ms\":%lld}",
                                (long long)v->timeout_ms, (long long)v->backoff_base_ms, (long long)v->backoff_max_ms),
        };
    }
    return infos;
}

void handlers_infos_free(struct hx_type_info *infos, size_t n) {
    for (size_t i = 0; infos && i < n; i++)
        free((char *)infos[i].limits);
    free(infos);
}
