#include "migrations/target.h"

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

/* A fixed place: head, base, a revision. */
static int parse_place(const struct hx_chain *chain, const char *word, size_t *ret, struct hx_buf *reterr) {
    size_t index;
    if (hx_streq(word, "head") || hx_streq(word, "heads")) {
        *ret = hx_chain_count(chain);
        return 0;
    }
    if (hx_streq(word, "base")) {
        *ret = 0;
        return 0;
    }
    int r = hx_chain_find(chain, word, &index);
    if (r == 0)
        *ret = index + 1;
    else
        hx_buf_printf(reterr, r == -ENOTUNIQ ? "%s: several revisions begin so" : "%s: no such revision", word);
    return r < 0 ? -EINVAL : 0;
}

/* REV+N, REV-N: so many from there, whatever the direction. */
static int parse_anchored(const struct hx_chain *chain, const char *word, const char *sign, size_t *ret,
                          struct hx_buf *reterr) {
    _cleanup_free_ char *place = hx_strndup(word, (size_t)(sign - word));
    int64_t steps;
    size_t from;
    if (sign[1] < '0' || sign[1] > '9' || hx_int_parse(sign + 1, 1, INT32_MAX, &steps) < 0) {
        hx_buf_printf(reterr, "%s: behind the %c must be a number from 1 on", word, *sign);
        return -EINVAL;
    }
    int r = parse_place(chain, place, &from, reterr);
    if (r < 0)
        return r;
    size_t there = *sign == '-' ? from : hx_chain_count(chain) - from;
    if ((size_t)steps > there) {
        hx_buf_printf(reterr, "%s: there %s only %zu", word, there == 1 ? "is" : "are", there);
        return -EINVAL;
    }
    *ret = *sign == '-' ? from - (size_t)steps : from + (size_t)steps;
    return 0;
}

int hx_target_parse(const struct hx_chain *chain, bool down, const char *word, struct hx_target *ret,
                    struct hx_buf *reterr) {
    struct hx_target target = { .down = down };
    const char *sign = strpbrk(word, "+-");
    int r = sign == word   ? parse_steps(word, &target, reterr)
            : sign != NULL ? parse_anchored(chain, word, sign, &target.position, reterr)
                           : parse_place(chain, word, &target.position, reterr);
    if (r == 0)
        *ret = target;
    return r;
}

static int too_many(const struct hx_target *target, size_t there, struct hx_buf *reterr) {
    hx_buf_printf(reterr, "%c%zu: there %s only %zu %s where it starts", target->down ? '-' : '+', target->steps,
                  there == 1 ? "is" : "are", there, target->down ? "below" : "above");
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

int hx_range_parse(const struct hx_chain *chain, bool down, const char *word, size_t *ret_from, size_t *ret_to,
                   struct hx_buf *reterr) {
    const char *colon = strchr(word, ':');
    if (!colon && down) {
        hx_buf_printf(reterr, "%s: with --sql it takes FROM:TO, because no database is asked where it stands", word);
        return -EINVAL;
    }
    _cleanup_free_ char *start = hx_strndup(word, colon ? (size_t)(colon - word) : 0);
    struct hx_target from = { .position = 0 }, to;
    int r = *start ? hx_target_parse(chain, down, start, &from, reterr) : 0;
    if (r == 0 && from.relative) {
        hx_buf_printf(reterr, "%s: a range begins at a revision", word);
        r = -EINVAL;
    }
    if (r == 0)
        r = hx_target_parse(chain, down, colon ? colon + 1 : word, &to, reterr);
    if (r == 0 && !to.relative && (down ? to.position > from.position : to.position < from.position)) {
        hx_buf_printf(reterr, "%s: it leads the other way", word);
        r = -EINVAL;
    }
    if (r == 0)
        r = hx_target_resolve(chain, &to, from.position, ret_to, reterr);
    *ret_from = from.position;
    return r;
}
