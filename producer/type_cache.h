/* What the fleet has registered about job types, as far as announcing needs it. */
#pragma once

#include "lib/pg/pg.h"

#include <stdbool.h>
#include <stddef.h>

struct type_entry {
    char *type, *queue;
    size_t announce; /* ids a record may hold */
};

/* A value type: zero-initialise, type_cache_reset. */
struct type_cache {
    struct type_entry *entries; /* ascending by type */
    size_t n;
    int64_t read_ms; /* 0: never */
    bool missed;     /* somebody asked for a type that isn't here */
};

/* True when it is time to read again: at first, every ten seconds, and every second while types are missing. */
bool type_cache_is_stale(const struct type_cache *c);
/* Takes over what hx_ledger_types returned. */
void type_cache_read(struct type_cache *c, const struct hx_pg_tx *tx, int statement);
/* Puts one in; the order is made by type_cache_sort. */
void type_cache_add(struct type_cache *c, const char *type, const char *queue, int announce);
void type_cache_sort(struct type_cache *c);
/* An unknown type is announced one id a record, in the queue "default": what a handler takes that has said nothing else. */
struct type_entry type_cache_find(struct type_cache *c, const char *type);
void type_cache_reset(struct type_cache *c);
