/* What this worker can run: the built-in mock_process and the configured handlers, with every limit resolved. */
#pragma once

#include "lib/config/config.h"
#include "lib/ledger/ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum handler_kind { HANDLER_MOCK, HANDLER_EXEC, HANDLER_ELSEWHERE /* a kind that this version can't run */ };

struct handler {
    const char *type, *queue;
    enum handler_kind kind;
    const char *const *exec;
    int64_t timeout_ms, backoff_base_ms, backoff_max_ms;
    int64_t memory_max, tasks_max; /* bytes, threads; 0: no limit */
    double cpu_max;                /* cores; 0: no limit */
    int32_t max_attempts;
    int32_t concurrency; /* 0: no fleet-wide limit */
    int32_t announce;    /* ids a record may hold */
    size_t index;        /* in handlers.v */
};

/* Builtins run inside the worker, a batch at a time; the others take a slot each. */
static inline bool handler_builtin(const struct handler *h) {
    return h->kind == HANDLER_MOCK;
}

struct types {
    const char **v;
    size_t n;
};

struct handlers {
    struct handler *v;
    size_t n;
    const char **types;      /* all, ascending as registered */
    struct types kinds[2];   /* [builtin] */
    const char **free_types; /* those without a fleet-wide limit: what a batch claim may take */
    size_t free_count;
    const char **queues; /* distinct */
    size_t queue_count;
};

/* Strings are borrowed from the configuration, which must outlive the table. Handlers of kinds that this version doesn't run are
 * left out. */
struct handlers *handlers_new(const struct hx_config *config);
struct handlers *handlers_free(struct handlers *h);
const struct handler *handlers_find(const struct handlers *h, const char *type); /* NULL: none here */
/* The rows of job_type; the caller frees the array and its `limits` strings with handlers_infos_free. */
struct hx_type_info *handlers_infos(const struct handlers *h);
void handlers_infos_free(struct hx_type_info *infos, size_t n);
