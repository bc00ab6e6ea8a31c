#include "migrations/chain.h"

#include "common/text.h"

#include <errno.h>
#include <string.h>

/* Unordered, and possibly broken, until check() has passed. */
struct hx_chain {
    struct hx_revision **items;
    size_t count;
};

HX_DEFINE_CLEANUP(struct hx_chain, hx_chain_free)

/* --- looking up --------------------------------------------------------------------------------------------- */

size_t hx_chain_count(const struct hx_chain *chain) {
    return chain->count;
}

const struct hx_revision *hx_chain_at(const struct hx_chain *chain, size_t index) {
    return chain->items[index];
}

const struct hx_revision *hx_chain_head(const struct hx_chain *chain) {
    return chain->items[chain->count - 1];
}

int hx_chain_find_exactly(const struct hx_chain *chain, const char *id, size_t *ret_index) {
    for (size_t i = 0; i < chain->count; i++)
        if (hx_streq(chain->items[i]->id, id)) {
            *ret_index = i;
            return 0;
        }
    return -ENOENT;
}

int hx_chain_find(const struct hx_chain *chain, const char *word, size_t *ret_index) {
    size_t found = 0, index = 0;
    if (hx_chain_find_exactly(chain, word, ret_index) == 0)
        return 0;
    for (size_t i = 0; *word && i < chain->count; i++)
        if (hx_startswith(chain->items[i]->id, word)) {
            index = i;
            found++;
        }
    if (found != 1)
        return found ? -ENOTUNIQ : -ENOENT;
    *ret_index = index;
    return 0;
}

/* --- what may be wrong -------------------------------------------------------------------------------------- */

static const struct hx_revision *parent_of(const struct hx_chain *chain, const struct hx_revision *r) {
    size_t i;
    return r->parent && hx_chain_find_exactly(chain, r->parent, &i) == 0 ? chain->items[i] : NULL;
}

static const struct hx_revision *child_of(const struct hx_chain *chain, const struct hx_revision *r) {
    for (size_t i = 0; i < chain->count; i++)
        if (hx_streq(chain->items[i]->parent, r->id))
            return chain->items[i];
    return NULL;
}

static void find_duplicates(const struct hx_chain *chain, struct hx_problems *problems) {
    for (size_t i = 0; i < chain->count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct hx_revision *a = chain->items[j], *b = chain->items[i];
            if (!hx_streq(a->id, b->id))
                continue;
            _cleanup_free_ char *where = hx_printf("%s, %s", a->path, b->path);
            hx_problem_add(problems, "duplicate revision", a->id, where, "both declare revision %s", a->id);
            break;
        }
}

static void find_missing(const struct hx_chain *chain, struct hx_problems *problems) {
    for (size_t i = 0; i < chain->count; i++) {
        const struct hx_revision *r = chain->items[i];
        if (r->parent && !parent_of(chain, r))
            hx_problem_add(problems, "missing parent", r->id, r->path, "revision %s follows %s, which no file declares",
                           r->id, r->parent);
    }
}

/* A way down the parents that comes back to where it began. Each cycle is told once, at its first file. */
static void find_cycles(const struct hx_chain *chain, struct hx_problems *problems) {
    for (size_t i = 0; i < chain->count; i++) {
        const struct hx_revision *start = chain->items[i], *r = start;
        _cleanup_buf_ struct hx_buf way = { 0 };
        hx_buf_puts(&way, start->id);
        bool told = false;
        for (size_t steps = 0; steps < chain->count && (r = parent_of(chain, r)) && r != start; steps++) {
            hx_buf_printf(&way, " -> %s", r->id);
            size_t at;
            told |= hx_chain_find_exactly(chain, r->id, &at) == 0 && at < i;
        }
        if (r == start && !told)
            hx_problem_add(problems, "cycle", start->id, start->path, "its parents lead back to it: %s -> %s", way.data,
                           start->id);
    }
}

static bool is_root(const struct hx_chain *chain, const struct hx_revision *r) {
    (void)chain;
    return !r->parent;
}

static bool is_head(const struct hx_chain *chain, const struct hx_revision *r) {
    return !child_of(chain, r);
}

/* More than one revision of a kind that must be alone. */
static void find_several(const struct hx_chain *chain, bool (*is)(const struct hx_chain *, const struct hx_revision *),
                         const char *what, const char *why, struct hx_problems *problems) {
    _cleanup_buf_ struct hx_buf ids = { 0 }, where = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < chain->count; i++) {
        const struct hx_revision *r = chain->items[i];
        size_t first; /* of its id: a duplicate is told as such, and not once more here */
        if (!is(chain, r) || hx_chain_find_exactly(chain, r->id, &first) < 0 || first != i)
            continue;
        hx_buf_printf(&ids, "%s%s", n ? ", " : "", r->id);
        hx_buf_printf(&where, "%s%s", n ? ", " : "", r->path);
        n++;
    }
    if (n > 1)
        hx_problem_add(problems, what, NULL, where.data, "%s: %s", ids.data, why);
}

static int check(const struct hx_chain *chain, struct hx_problems *problems) {
    find_duplicates(chain, problems);
    find_missing(chain, problems);
    find_cycles(chain, problems);
    find_several(chain, is_root, "two roots", "each is the first, but a chain has one beginning", problems);
    find_several(chain, is_head, "two heads", "nothing follows any of them, but a chain has one end", problems);
    return problems->count ? -EINVAL : 0;
}

/* --- building ----------------------------------------------------------------------------------------------- */

/* From the root on, each one's child. */
static void order(struct hx_chain *chain) {
    const struct hx_revision *next = NULL;
    for (size_t placed = 0; placed < chain->count; placed++) {
        for (size_t i = placed; i < chain->count; i++) {
            struct hx_revision *r = chain->items[i];
            if (next ? r != next : r->parent != NULL)
                continue;
            chain->items[i] = chain->items[placed];
            chain->items[placed] = r;
            break;
        }
        next = child_of(chain, chain->items[placed]);
    }
}

int hx_chain_build(const struct hx_chain_file *files, size_t n, struct hx_chain **ret, struct hx_problems *problems) {
    HX_CLEANUP(hx_chain_free_p) struct hx_chain *chain = hx_alloc(sizeof *chain);
    chain->items = hx_allocn(n + 1, sizeof(struct hx_revision *));
    for (size_t i = 0; i < n; i++)
        if (hx_revision_parse(files[i].path, files[i].text, files[i].size, &chain->items[chain->count], problems) == 0)
            chain->count++;
    /* What a file that can't be read would have declared is unknown: more would only confuse. */
    if (problems->count)
        return -EINVAL;
    int r = check(chain, problems);
    if (r < 0)
        return r;
    order(chain);
    *ret = HX_TAKE(chain);
    return 0;
}

struct hx_chain *hx_chain_free(struct hx_chain *chain) {
    if (!chain)
        return NULL;
    for (size_t i = 0; i < chain->count; i++)
        hx_revision_free(chain->items[i]);
    free(chain->items);
    free(chain);
    return NULL;
}
