#include "producer/arena.h"

#include "common/text.h"

#include <string.h>

enum { BLOCK = 256 << 10 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    char data[];
};

static struct arena_block *block_new(size_t size) {
    struct arena_block *block = hx_realloc(NULL, sizeof(*block) + size);
    block->size = size;
    return block;
}

static void push(struct arena_block **list, struct arena_block *block) {
    block->next = *list;
    *list = block;
}

static struct arena_block *pop(struct arena_block **list) {
    struct arena_block *block = *list;
    if (block)
        *list = block->next;
    return block;
}

/* A string that would waste most of a block gets one of its own; what is left of the current one stays in use. */
static char *take_outsized(struct arena *a, size_t n) {
    struct arena_block *block = block_new(n);
    push(&a->used, block);
    return block->data;
}

char *arena_take(struct arena *a, size_t n) {
    a->bytes += n;
    if (n > a->left) {
        if (n > BLOCK / 4)
            return take_outsized(a, n);
        struct arena_block *block = pop(&a->spare);
        if (!block)
            block = block_new(BLOCK);
        push(&a->used, block);
        a->at = block->data;
        a->left = block->size;
    }
    char *taken = a->at;
    a->at += n;
    a->left -= n;
    return taken;
}

char *arena_copy(struct arena *a, const char *text, size_t n) {
    char *copy = arena_take(a, n + 1);
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

void arena_clear(struct arena *a) {
    for (struct arena_block *block; (block = pop(&a->used));) {
        if (block->size == BLOCK)
            push(&a->spare, block);
        else
            free(block);
    }
    a->at = NULL;
    a->left = a->bytes = 0;
}

void arena_reset(struct arena *a) {
    arena_clear(a);
    for (struct arena_block *block; (block = pop(&a->spare));)
        free(block);
}
