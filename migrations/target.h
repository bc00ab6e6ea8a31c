/* What a command's word means: where to go, or from where to where. Positions count the revisions applied: 0 is base, the
 * chain's count is head. */
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

/* Reads `head`, `+N`, `base`, `-N`, a revision or a unique prefix of one, and REV+N, REV-N. 0; -EINVAL with a message for
 * people. */
int hx_target_parse(const struct hx_chain *chain, bool down, const char *word, struct hx_target *ret,
                    struct hx_buf *reterr);
/* Where the target leads from `position`: *ret_goal, never on the wrong side of position. 0; -EINVAL with a message
 * when there aren't so many steps, or a downgrade's revision isn't below. */
int hx_target_resolve(const struct hx_chain *chain, const struct hx_target *target, size_t position, size_t *ret_goal,
                      struct hx_buf *reterr);
/* Reads A:B, the way without asking a database; for an upgrade also B, from base. 0; -EINVAL with a message. */
int hx_range_parse(const struct hx_chain *chain, bool down, const char *word, size_t *ret_from, size_t *ret_to,
                   struct hx_buf *reterr);
