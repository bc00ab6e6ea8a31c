/* Memory for the strings of a batch: taken piece by piece, given back all at once, kept for the next batch. */
#pragma once

#include <stddef.h>

struct arena_block;

/* A value type: zero-initialise, take, arena_reset. */
struct arena {
    struct arena_block *used, *spare;
    char *at;
    size_t left;
    size_t bytes; /* taken since the last clear */
};

/* n bytes, not zeroed and not aligned: for characters only. They stay where they are until arena_clear. */
char *arena_take(struct arena *a, size_t n);
/* A copy of n bytes with a NUL behind it. */
char *arena_copy(struct arena *a, const char *text, size_t n);
/* Forgets the content, keeps the memory (but not that of outsized strings). */
void arena_clear(struct arena *a);
/* Frees the memory. */
void arena_reset(struct arena *a);
