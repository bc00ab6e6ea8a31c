#include "migrations/chain.h"

#include "common/text.h"
#include "migrations/alembic.h"
#include "migrations/chain_internal.h"

#include <errno.h>
#include <string.h>

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

size_t hx_chain_children(const struct hx_chain *chain, const char *id) {
    size_t children = 0;
    for (size_t i = 0; i < chain->count; i++)
        for (size_t j = 0; j < chain->items[i]->parent_count; j++)
            children += hx_streq(chain->items[i]->parents[j], id);
    return children;
}

bool hx_chain_is_head(const struct hx_chain *chain, size_t index) {
    return hx_chain_children(chain, chain->items[index]->id) == 0;
}

bool hx_chain_is_branchpoint(const struct hx_chain *chain, size_t index) {
    return hx_chain_children(chain, chain->items[index]->id) > 1;
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

void hx_chain_mark(const struct hx_chain *chain, size_t index, bool *applied) {
    applied[index] = true;
    /* Children stand behind their parents. */
    for (size_t i = index + 1; i-- > 0;)
        for (size_t j = 0; applied[i] && j < chain->items[i]->parent_count; j++) {
            size_t parent;
            if (hx_chain_find_exactly(chain, chain->items[i]->parents[j], &parent) == 0)
                applied[parent] = true;
        }
}

/* --- building ----------------------------------------------------------------------------------------------- */

static bool is_placed(const struct hx_chain *chain, size_t placed, const char *id) {
    size_t index;
    return hx_chain_find_exactly(chain, id, &index) == 0 && index < placed;
}

static bool may_follow(const struct hx_chain *chain, size_t placed, const struct hx_revision *r) {
    for (size_t i = 0; i < r->parent_count; i++)
        if (!is_placed(chain, placed, r->parents[i]))
            return false;
    return true;
}

/* Parents first; a revision comes as close behind its parent as it may, so that a branch's stay together. */
static void order(struct hx_chain *chain) {
    for (size_t placed = 0; placed < chain->count; placed++) {
        size_t next = chain->count;
        for (size_t i = placed; i < chain->count; i++) {
            if (!may_follow(chain, placed, chain->items[i]))
                continue;
            bool follows_last = placed > 0 && chain->items[i]->parent &&
                                hx_streq(chain->items[i]->parent, chain->items[placed - 1]->id);
            if (next == chain->count || follows_last)
                next = i;
            if (follows_last)
                break;
        }
        struct hx_revision *r = chain->items[next];
        memmove(&chain->items[placed + 1], &chain->items[placed], (next - placed) * sizeof(struct hx_revision *));
        chain->items[placed] = r;
    }
}

/* A branch's label is that of all that follow it, and of what leads to it from where it branched, unless it was merged. */
static void hand_labels_on(struct hx_chain *chain) {
    for (size_t i = 0; i < chain->count; i++)
        for (size_t j = 0; j < chain->items[i]->parent_count; j++) {
            size_t parent;
            if (hx_chain_find_exactly(chain, chain->items[i]->parents[j], &parent) == 0)
                for (size_t k = 0; k < chain->items[parent]->label_count; k++)
                    hx_revision_add_label(chain->items[i], chain->items[parent]->labels[k]);
        }
    for (size_t i = chain->count; i-- > 0;) {
        struct hx_revision *r = chain->items[i];
        size_t parent;
        bool ends = r->parent_count != 1 || hx_chain_is_branchpoint(chain, i) ||
                    hx_chain_find_exactly(chain, r->parent, &parent) < 0;
        if (ends || hx_chain_is_branchpoint(chain, parent) || chain->items[parent]->parent_count > 1)
            continue;
        for (size_t k = 0; k < r->label_count; k++)
            hx_revision_add_label(chain->items[parent], r->labels[k]);
    }
}

static bool is_python(const char *path) {
    size_t n = strlen(path);
    return n > 3 && hx_streq(path + n - 3, ".py");
}

int hx_chain_build(const struct hx_chain_file *files, size_t n, struct hx_chain **ret, struct hx_problems *problems) {
    HX_CLEANUP(hx_chain_free_p) struct hx_chain *chain = hx_alloc(sizeof *chain);
    chain->items = hx_allocn(n + 1, sizeof(struct hx_revision *));
    size_t before = problems->count;
    for (size_t i = 0; i < n; i++) {
        int (*parse)(const char *, const char *, size_t, struct hx_revision **, struct hx_problems *) =
            is_python(files[i].path) ? hx_alembic_parse : hx_revision_parse;
        if (parse(files[i].path, files[i].text, files[i].size, &chain->items[chain->count], problems) == 0)
            chain->count++;
    }
    /* What a file that can't be read would have declared is unknown: more would only confuse. */
    if (problems->count > before)
        return -EINVAL;
    hx_chain_check(chain, problems);
    if (problems->count > before) {
        hx_chain_check_names(chain, problems); /* a name that disagrees is often the cause of the rest */
        return -EINVAL;
    }
    order(chain);
    hand_labels_on(chain);
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
