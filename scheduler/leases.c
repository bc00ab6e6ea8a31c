#include "scheduler/leases.h"

#include "common/text.h"

struct seen {
    int64_t lease, since_ms;
    uint64_t look;
    int32_t worker;
};

struct leases {
    struct seen *v;
    size_t n, cap;
    uint64_t look;
    int64_t now_ms, blind_ms;
};

struct leases *leases_new(void) {
    return hx_alloc(sizeof(struct leases));
}

struct leases *leases_free(struct leases *l) {
    if (l)
        free(l->v);
    free(l);
    return NULL;
}

void leases_forget(struct leases *l) {
    l->n = 0;
}

void leases_begin(struct leases *l, int64_t now_ms) {
    l->blind_ms = now_ms - l->now_ms;
    l->now_ms = now_ms;
    l->look++;
}

static struct seen *find(struct leases *l, int32_t worker) {
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].worker == worker)
            return &l->v[i];
    if (l->n == l->cap) {
        l->cap = HX_MAX((size_t)16, l->cap * 2);
        l->v = hx_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n] = (struct seen){ .worker = worker, .lease = INT64_MIN };
    return &l->v[l->n++];
}

bool leases_seen(struct leases *l, int32_t worker, int64_t lease, int64_t ttl_ms) {
    struct seen *seen = find(l, worker);
    seen->look = l->look;
    if (seen->lease != lease || l->blind_ms > ttl_ms / 2) {
        seen->lease = lease;
        seen->since_ms = l->now_ms;
    }
    return l->now_ms - seen->since_ms >= ttl_ms;
}

void leases_end(struct leases *l) {
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].look == l->look)
            l->v[kept++] = l->v[i];
    l->n = kept;
}
