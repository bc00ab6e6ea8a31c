#include "migrations/plan.h"

#include "common/text.h"
#include "common/units.h"

#include <errno.h>
#include <string.h>

static int parse_steps(const char *word, struct hx_target *ret, struct hx_buf *reterr) {
    char sign = ret->down ? '-' : '+';
    int64_t steps;
    if (*word != sign || word[1] < '0' || word[1] > '9' || hx_int_parse(word + 1, 1, INT32_MAX, &steps) < 0) {
        hx_buf_printf(reterr, "%s: must be %c and a number from 1 on", word, sign);
        return -EINVAL;
    }
    ret->relative = true;
    ret->steps = (size_t)steps;
    return 0;
}

int hx_target_parse(const struct hx_chain *chain, bool down, const char *word, struct hx_target *ret,
                    struct hx_buf *reterr) {
    struct hx_target target = { .down = down };
    int r = 0;
    size_t index = 0;
    if (*word == '+' || *word == '-') {
        r = parse_steps(word, &target, reterr);
    } else if (hx_streq(word, "head") || hx_streq(word, "heads")) {
        target.position = hx_chain_count(chain);
    } else if (hx_streq(word, "base")) {
        target.position = 0;
    } else if ((r = hx_chain_find(chain, word, &index)) == 0) {
        target.position = index + 1;
    } else {
        hx_buf_printf(reterr, r == -ENOTUNIQ ? "%s: several revisions begin so" : "%s: no such revision", word);
        r = -EINVAL;
    }
    if (r == 0)
        *ret = target;
    return r;
}

static int too_many(const struct hx_target *target, size_t there, struct hx_buf *reterr) {
    hx_buf_printf(reterr, "%c%zu: there %s only %zu %s the database's revision", target->down ? '-' : '+',
                  target->steps, there == 1 ? "is" : "are", there, target->down ? "up to" : "after");
    return -EINVAL;
}

int hx_target_resolve(const struct hx_chain *chain, const struct hx_target *target, size_t position, size_t *ret_goal,
                      struct hx_buf *reterr) {
    size_t there = target->down ? position : hx_chain_count(chain) - position;
    if (target->relative) {
        if (target->steps > there)
            return too_many(target, there, reterr);
        *ret_goal = target->down ? position - target->steps : position + target->steps;
        return 0;
    }
    if (target->down && target->position > position) {
        hx_buf_printf(reterr, "%s: the database is below it: nothing to downgrade to",
                      hx_chain_at(chain, target->position - 1)->id);
        return -EINVAL;
    }
    /* An upgrade to what is applied already has nothing to do. */
    *ret_goal = target->down ? target->position : HX_MAX(target->position, position);
    return 0;
}
