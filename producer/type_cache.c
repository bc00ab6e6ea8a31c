#include "producer/type_cache.h"

#include "common/clock.h"
#include "common/text.h"
#include "lib/kafka/record.h"
#include "lib/ledger/ledger.h"

#include <string.h>

enum { FRESH_MS = 10000, MISSED_MS = 1000 };

bool type_cache_is_stale(const struct type_cache *c) {
    return c->read_ms == 0 || hx_mono_ms() - c->read_ms >= (c->missed ? MISSED_MS : FRESH_MS);
}

static void clear(struct type_cache *c) {
    for (size_t i = 0; i < c->n; i++) {
        free(c->entries[i].type);
        free(c->entries[i].queue);
    }
    c->n = 0;
}

void type_cache_add(struct type_cache *c, const char *type, const char *queue, int announce) {
    c->entries = hx_realloc(c->entries, (c->n + 1) * sizeof(*c->entries));
    c->entries[c->n++] = (struct type_entry){ .type = hx_strdup(type),
                                              .queue = hx_strdup(queue),
                                              .announce = (size_t)HX_MIN(HX_MAX(announce, 1), HX_ANNOUNCE_MAX) };
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct type_entry *)a)->type, ((const struct type_entry *)b)->type);
}

void type_cache_sort(struct type_cache *c) {
    if (c->n > 1)
        qsort(c->entries, c->n, sizeof(*c->entries), compare);
}

void type_cache_read(struct type_cache *c, const struct hx_pg_tx *tx, int statement) {
    clear(c);
    int rows = hx_pg_rows(tx, statement);
    for (int row = 0; row < rows; row++) {
        struct hx_type_info info = hx_ledger_read_type(tx, statement, row);
        type_cache_add(c, info.type, info.queue, info.announce);
    }
    type_cache_sort(c);
    c->read_ms = hx_mono_ms();
    c->missed = false;
}

struct type_entry type_cache_find(struct type_cache *c, const char *type) {
    struct type_entry key = { .type = (char *)(uintptr_t)type };
    const struct type_entry *found = c->n ? bsearch(&key, c->entries, c->n, sizeof(*c->entries), compare) : NULL;
    if (found)
        return *found;
    static char fallback[] = "default";
    c->missed = true;
    return (struct type_entry){ .type = key.type, .queue = fallback, .announce = 1 };
}

void type_cache_reset(struct type_cache *c) {
    clear(c);
    free(c->entries);
    *c = (struct type_cache){ 0 };
}
