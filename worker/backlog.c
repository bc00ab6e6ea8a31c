#include "worker/backlog.h"

#include "common/clock.h"
#include "common/text.h"

#include <string.h>

/* A queue in an array: taken from the front, compacted when the front half is empty. */
struct line {
    struct candidate *v;
    size_t head, tail, cap;
};

struct backlog {
    const struct handlers *handlers;
    struct line (*lines)[2]; /* a handler's low (0) and high (1) band */
    size_t builtin, slotted;
    size_t turn; /* the handler that picks first next time */
};

static size_t line_len(const struct line *l) {
    return l->tail - l->head;
}

static void line_room(struct line *l, size_t n) {
    if (l->head > l->cap / 2) {
        memmove(l->v, l->v + l->head, line_len(l) * sizeof *l->v);
        l->tail -= l->head;
        l->head = 0;
    }
    if (l->tail + n > l->cap) {
        l->cap = HX_MAX(2 * l->cap, l->tail + n + 64);
        l->v = hx_realloc(l->v, l->cap * sizeof *l->v);
    }
}

static void line_unshift(struct line *l, const struct candidate *c) {
    if (!l->head) { /* a gap as long as the line, so that many in a row cost no more than adding them */
        size_t gap = line_len(l) + 1;
        line_room(l, gap);
        memmove(l->v + gap, l->v, line_len(l) * sizeof *l->v);
        l->tail += gap;
        l->head += gap;
    }
    l->v[--l->head] = *c;
}

struct backlog *backlog_new(const struct handlers *handlers) {
    struct backlog *b = hx_alloc(sizeof *b);
    b->handlers = handlers;
    b->lines = hx_allocn(handlers->n, sizeof *b->lines);
    return b;
}

struct backlog *backlog_free(struct backlog *b) {
    if (!b)
        return NULL;
    for (size_t i = 0; i < b->handlers->n; i++) {
        free(b->lines[i][0].v);
        free(b->lines[i][1].v);
    }
    free(b->lines);
    free(b);
    return NULL;
}

static void count(struct backlog *b, const struct handler *h, size_t more, size_t less) {
    size_t *n = handler_builtin(h) ? &b->builtin : &b->slotted;
    *n += more;
    *n -= less;
}

static void stamp(struct candidate *c) {
    if (!c->since_boot_ms)
        c->since_boot_ms = hx_boot_ms();
}

void backlog_add(struct backlog *b, const struct candidate *c) {
    struct line *l = &b->lines[c->handler->index][c->high];
    line_room(l, 1);
    l->v[l->tail] = *c;
    stamp(&l->v[l->tail++]);
    count(b, c->handler, 1, 0);
}

void backlog_return(struct backlog *b, const struct candidate *c, size_t n) {
    while (n--) {
        struct line *l = &b->lines[c[n].handler->index][c[n].high];
        line_unshift(l, &c[n]);
        stamp(&l->v[l->head]);
        count(b, c[n].handler, 1, 0);
    }
}

static size_t line_late(struct line *l, int64_t boot_ms, struct candidate *to) {
    size_t late = 0, kept = l->head;
    for (size_t i = l->head; i < l->tail; i++) {
        if (l->v[i].since_boot_ms <= boot_ms)
            to[late++] = l->v[i];
        else
            l->v[kept++] = l->v[i];
    }
    l->tail = kept;
    return late;
}

size_t backlog_late(struct backlog *b, bool builtin, int64_t boot_ms, struct candidate **ret) {
    size_t n = 0, all = builtin ? b->builtin : b->slotted;
    struct candidate *late = hx_allocn(HX_MAX(all, (size_t)1), sizeof *late);
    for (size_t i = 0; i < b->handlers->n; i++) {
        if (handler_builtin(&b->handlers->v[i]) != builtin)
            continue;
        for (int band = 1; band >= 0; band--) {
            size_t more = line_late(&b->lines[i][band], boot_ms, late + n);
            count(b, &b->handlers->v[i], 0, more);
            n += more;
        }
    }
    *ret = late;
    return n;
}

static size_t shift(struct backlog *b, size_t handler, bool high, size_t limit, struct batch *batch) {
    struct line *l = &b->lines[handler][high];
    size_t n = HX_MIN(limit, line_len(l));
    if (!n)
        return 0;
    memcpy(batch->v + batch->n, l->v + l->head, n * sizeof *l->v);
    batch->n += n;
    l->head += n;
    count(b, &b->handlers->v[handler], 0, n);
    return n;
}

/* Up to room candidates of one band, the handlers of that kind taking turns in equal shares until nothing is left. */
static size_t pick_band(struct backlog *b, bool builtin, bool high, size_t room, struct batch *batch) {
    const struct handlers *h = b->handlers;
    size_t got = 0;
    for (bool more = true; more && got < room;) {
        size_t share = HX_MAX((room - got) / h->n, (size_t)1);
        more = false;
        for (size_t k = 0; k < h->n && got < room; k++) {
            size_t i = (b->turn + k) % h->n;
            if (handler_builtin(&h->v[i]) != builtin)
                continue;
            size_t n = shift(b, i, high, HX_MIN(share, room - got), batch);
            got += n;
            more |= n > 0;
        }
    }
    return got;
}

static void pick_kind(struct backlog *b, bool builtin, size_t room, struct batch *batch) {
    size_t kept = (room + 9) / 10; /* the low band's tenth, so that it is never starved */
    size_t got = room > 1 ? pick_band(b, builtin, true, room - kept, batch) : 0;
    got += got || room > 1 ? pick_band(b, builtin, false, room - got, batch) : 0;
    if (got < room)
        got += pick_band(b, builtin, true, room - got, batch);
    if (got < room)
        pick_band(b, builtin, false, room - got, batch);
}

void backlog_pick(struct backlog *b, size_t builtin_room, size_t slot_room, struct batch *batch) {
    pick_kind(b, true, builtin_room, batch);
    pick_kind(b, false, slot_room, batch);
    b->turn++;
}

size_t backlog_builtin(const struct backlog *b) {
    return b->builtin;
}

size_t backlog_slotted(const struct backlog *b) {
    return b->slotted;
}

size_t backlog_reserved(const struct backlog *b, bool builtin) {
    size_t n = 0;
    for (size_t i = 0; i < b->handlers->n; i++)
        for (int band = 0; band < 2 && handler_builtin(&b->handlers->v[i]) == builtin; band++)
            for (size_t k = b->lines[i][band].head; k < b->lines[i][band].tail; k++)
                n += !b->lines[i][band].v[k].record;
    return n;
}

void backlog_clear(struct backlog *b) {
    for (size_t i = 0; i < b->handlers->n; i++)
        for (int band = 0; band < 2; band++)
            b->lines[i][band].head = b->lines[i][band].tail = 0;
    b->builtin = b->slotted = 0;
}
