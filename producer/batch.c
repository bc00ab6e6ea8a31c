#include "producer/batch.h"

#include "common/clock.h"
#include "common/text.h"

#include <assert.h>
#include <string.h>

struct batch *batch_new(void) {
    return hx_alloc(sizeof(struct batch));
}

struct batch *batch_free(struct batch *b) {
    if (!b)
        return NULL;
    arena_reset(&b->arena);
    free(b->delivered);
    free(b);
    return NULL;
}

void batch_clear(struct batch *b) {
    arena_clear(&b->arena);
    b->n = b->piece_count = 0;
    b->started_ms = 0;
    b->sent = false;
    batch_progressed(b);
}

void batch_progressed(struct batch *b) {
    b->deadline_ms = 0;
    b->failures = 0;
}

bool batch_is_full(const struct batch *b) {
    return b->n == BATCH_JOBS || b->arena.bytes >= BATCH_BYTES;
}

struct hx_new_job *batch_next(struct batch *b) {
    return &b->jobs[b->n];
}

void batch_accept(struct batch *b, uint64_t line) {
    if (b->n == 0)
        b->started_ms = hx_mono_ms();
    b->jobs[b->n].id = hx_uuid_v7(); /* ascending, as the ledger wants them */
    b->lines[b->n] = line;
    b->answers[b->n] = (struct answer){ .id = b->jobs[b->n].id };
    b->n++;
}

void batch_begin(struct batch *b) {
    b->pieces[0] = (struct piece){ 0, b->n };
    b->piece_count = 1;
}

const struct piece *batch_piece(const struct batch *b) {
    return b->piece_count ? &b->pieces[b->piece_count - 1] : NULL;
}

void batch_piece_done(struct batch *b) {
    assert(b->piece_count > 0);
    b->piece_count--;
    batch_progressed(b);
}

void batch_cut(struct batch *b) {
    const struct piece *p = batch_piece(b);
    if (p)
        b->n = p->from; /* pieces are done in order */
    b->piece_count = 0;
}

void batch_halve(struct batch *b) {
    assert(b->piece_count > 0 && b->piece_count < BATCH_PIECES);
    struct piece *whole = &b->pieces[b->piece_count - 1];
    size_t middle = whole->from + (whole->to - whole->from) / 2;
    b->pieces[b->piece_count++] = (struct piece){ whole->from, middle };
    whole->from = middle;
    batch_progressed(b);
}

size_t batch_find(const struct batch *b, const struct piece *p, const struct hx_uuid *id, size_t *hint) {
    size_t low = p->from, high = p->to;
    if (*hint >= low && *hint < high && hx_uuid_eq(&b->jobs[*hint].id, id))
        return (*hint)++; /* the ledger answers in our order, as a rule */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = hx_uuid_cmp(&b->jobs[middle].id, id);
        if (order == 0) {
            *hint = middle + 1;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}
