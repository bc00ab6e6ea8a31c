/* What the files of the chain know of each other. */
#pragma once

#include "migrations/chain.h"

/* Unordered, and possibly broken, until hx_chain_check has found nothing. */
struct hx_chain {
    struct hx_revision **items;
    size_t count;
};

/* How many revisions name id as a parent of theirs. */
size_t hx_chain_children(const struct hx_chain *chain, const char *id);
/* Adds every defect of the graph. */
void hx_chain_check(const struct hx_chain *chain, struct hx_problems *problems);
