/* What to run for a command's target. Positions count the revisions applied: 0 is base, the chain's count is head. */
#pragma once

#include "common/text.h"
#include "migrations/chain.h"

#include <stdbool.h>
#include <stddef.h>

/* A target as it was written: a position, or so many steps from wherever the database stands. */
struct hx_target {
    bool down;
    bool relative;
    size_t position, steps;
};

/* Reads `head`, `+N`, `base`, `-N`, a revision or a unique prefix of one. 0; -EINVAL with a message for people. */
int hx_target_parse(const struct hx_chain *chain, bool down, const char *word, struct hx_target *ret,
                    struct hx_buf *reterr);
/* Where the target leads from `position`: *ret_goal, never on the wrong side of position. 0; -EINVAL with a message
 * when there aren't so many steps, or a downgrade's revision isn't below. */
int hx_target_resolve(const struct hx_chain *chain, const struct hx_target *target, size_t position, size_t *ret_goal,
                      struct hx_buf *reterr);
