/* What may be wrong with a chain: the defects of its graph, each with the likely cause and what mends it. */
#include "migrations/chain_internal.h"

#include "common/text.h"

#include <string.h>

#define RESTORE "restore it: git log --oneline -- %s, then git checkout COMMIT -- %s"

static bool is_alembic(const struct hx_revision *r) {
    const char *dot = strrchr(r->path, '.');
    return dot && hx_streq(dot, ".py");
}

static size_t index_of(const struct hx_chain *chain, const char *id) {
    size_t index;
    return hx_chain_find_exactly(chain, id, &index) == 0 ? index : chain->count;
}

static void add_file(struct hx_problem *problem, const struct hx_revision *r) {
    for (size_t i = 0; i < problem->file_count; i++)
        if (hx_streq(problem->files[i], r->path))
            return;
    hx_problem_file(problem, r->path);
}

/* --- twice -------------------------------------------------------------------------------------------------- */

static bool is_first_of_id(const struct hx_chain *chain, size_t index) {
    return index_of(chain, chain->items[index]->id) == index;
}

static const struct hx_revision *misnamed_one(const struct hx_chain *chain, const char *id) {
    for (size_t i = 0; i < chain->count; i++)
        if (hx_streq(chain->items[i]->id, id) && !hx_revision_name_agrees(chain->items[i]))
            return chain->items[i];
    return NULL;
}

static void tell_duplicate(const struct hx_chain *chain, const char *id, struct hx_problems *problems) {
    const struct hx_revision *misnamed = misnamed_one(chain, id);
    struct hx_problem *problem = hx_problem_add(
        problems, "duplicate revision", id, "%s is declared by several files%s%s%s", id, misnamed ? ", of which " : "",
        misnamed ? hx_revision_file_name(misnamed) : "", misnamed ? " was probably overwritten with a copy" : "");
    for (size_t i = 0; i < chain->count; i++)
        if (hx_streq(chain->items[i]->id, id))
            hx_problem_file(problem, chain->items[i]->path);
    if (misnamed)
        hx_problem_mend(problem, RESTORE, misnamed->path, misnamed->path);
    else
        hx_problem_mend(problem, "delete the copy, or give it an id and a parent of its own");
}

static void find_duplicates(const struct hx_chain *chain, struct hx_problems *problems) {
    for (size_t i = 0; i < chain->count; i++) {
        size_t same = 0;
        for (size_t j = 0; j < chain->count; j++)
            same += hx_streq(chain->items[j]->id, chain->items[i]->id);
        if (same > 1 && is_first_of_id(chain, i))
            tell_duplicate(chain, chain->items[i]->id, problems);
    }
}

/* --- missing ------------------------------------------------------------------------------------------------ */

/* A file that is named like the revision and declares another. */
static const struct hx_revision *named_like(const struct hx_chain *chain, const char *id) {
    for (size_t i = 0; i < chain->count; i++)
        if (!hx_streq(chain->items[i]->id, id) && hx_revision_name_says(chain->items[i], id))
            return chain->items[i];
    return NULL;
}

static const char *spelt_like(const struct hx_chain *chain, const char *id) {
    for (size_t i = 0; i < chain->count; i++)
        if (strlen(id) > 4 && hx_edit_distance(chain->items[i]->id, id) <= 2)
            return chain->items[i]->id;
    return NULL;
}

static void list_followers(const struct hx_chain *chain, const char *id, struct hx_buf *ids,
                           struct hx_problem *problem) {
    for (size_t i = 0; i < chain->count; i++)
        for (size_t j = 0; j < chain->items[i]->parent_count; j++)
            if (hx_streq(chain->items[i]->parents[j], id)) {
                if (problem)
                    add_file(problem, chain->items[i]);
                else
                    hx_buf_printf(ids, "%s%s", ids->len ? ", " : "", chain->items[i]->id);
            }
}

static void tell_missing(const struct hx_chain *chain, const char *id, const struct hx_revision *follower,
                         struct hx_problems *problems) {
    const struct hx_revision *culprit = named_like(chain, id);
    const char *similar = culprit ? NULL : spelt_like(chain, id);
    _cleanup_buf_ struct hx_buf followers = { 0 };
    list_followers(chain, id, &followers, NULL);
    int folder = (int)(hx_revision_file_name(follower) - follower->path);
    struct hx_problem *problem;
    if (culprit) {
        problem = hx_problem_add(problems, "missing parent", id,
                                 "%s is declared by no file; %s is declared by %s, which was probably overwritten "
                                 "(%s is followed by %s)",
                                 id, culprit->id, hx_revision_file_name(culprit), id, followers.data);
        add_file(problem, culprit);
        hx_problem_mend(problem, RESTORE, culprit->path, culprit->path);
    } else if (similar) {
        problem = hx_problem_add(problems, "missing parent", id,
                                 "%s is declared by no file, but followed by %s; %s was probably meant", id,
                                 followers.data, similar);
        hx_problem_mend(problem, "name %s as the parent in %s", similar, follower->path);
    } else {
        problem =
            hx_problem_add(problems, "missing parent", id,
                           "%s is declared by no file, but followed by %s; its file was probably deleted, or never "
                           "committed",
                           id, followers.data);
        hx_problem_mend(problem,
                        "restore it: git log --oneline --diff-filter=D -- '%.*s%s*', then git checkout COMMIT^ -- "
                        "its file",
                        folder, follower->path, id);
    }
    list_followers(chain, id, NULL, problem);
}

static void find_missing(const struct hx_chain *chain, struct hx_problems *problems) {
    size_t before = problems->count;
    for (size_t i = 0; i < chain->count; i++)
        for (size_t j = 0; j < chain->items[i]->parent_count; j++) {
            const char *id = chain->items[i]->parents[j];
            bool told = index_of(chain, id) < chain->count;
            for (size_t k = before; k < problems->count; k++)
                told |= hx_streq(problems->items[k].revision, id);
            if (!told)
                tell_missing(chain, id, chain->items[i], problems);
        }
}

/* --- cycles ------------------------------------------------------------------------------------------------- */

/* A walk over parents, breadth first, from one revision back to itself. */
struct walk {
    const struct hx_chain *chain;
    size_t *via;   /* from which child it was reached; count: not yet */
    size_t *queue; /* in the order they were reached */
    size_t head, tail;
};

static bool reach_parents(struct walk *w, size_t from, size_t start) {
    const struct hx_revision *r = w->chain->items[from];
    for (size_t i = 0; i < r->parent_count; i++) {
        size_t parent = index_of(w->chain, r->parents[i]);
        if (parent == w->chain->count || w->via[parent] != w->chain->count)
            continue;
        w->via[parent] = from;
        w->queue[w->tail++] = parent;
        if (parent == start)
            return true;
    }
    return false;
}

/* Marks the revisions of the shortest cycle through start, and appends its way along the parents, start at both ends. False
 * if there is none. */
static bool find_cycle(const struct hx_chain *chain, size_t start, bool *told, struct hx_buf *way) {
    _cleanup_free_ size_t *via = hx_allocn(chain->count, sizeof *via);
    _cleanup_free_ size_t *queue = hx_allocn(chain->count + 1, sizeof *queue);
    struct walk w = { .chain = chain, .via = via, .queue = queue };
    for (size_t i = 0; i < chain->count; i++)
        via[i] = chain->count;
    queue[w.tail++] = start;
    bool found = false;
    while (!found && w.head < w.tail)
        found = reach_parents(&w, queue[w.head++], start);
    if (!found)
        return false;
    size_t n = 0; /* the queue is free again: the way backwards, from start's child to start's parent */
    for (size_t at = via[start]; at != start; at = via[at])
        queue[n++] = at;
    hx_buf_puts(way, chain->items[start]->id);
    told[start] = true;
    while (n-- > 0) {
        hx_buf_printf(way, " -> %s", chain->items[queue[n]]->id);
        told[queue[n]] = true;
    }
    hx_buf_printf(way, " -> %s", chain->items[start]->id);
    return true;
}

static void find_cycles(const struct hx_chain *chain, struct hx_problems *problems) {
    _cleanup_free_ bool *told = hx_allocn(chain->count + 1, sizeof *told);
    for (size_t i = 0; i < chain->count; i++) {
        _cleanup_buf_ struct hx_buf way = { 0 };
        if (told[i] || !find_cycle(chain, i, told, &way))
            continue;
        const struct hx_revision *r = chain->items[i];
        struct hx_problem *problem =
            hx_problem_add(problems, "cycle", r->id, "its parents lead back to it: %s", way.data);
        hx_problem_file(problem, r->path);
        hx_problem_mend(problem, "name the right parent in one of them: git log -p -- %s", r->path);
    }
}

/* --- ends --------------------------------------------------------------------------------------------------- */

static bool is_root(const struct hx_chain *chain, size_t index) {
    return chain->items[index]->parent_count == 0;
}

/* More than one revision of a kind that must be alone; NULL: there isn't. */
static struct hx_problem *find_several(const struct hx_chain *chain, bool (*is)(const struct hx_chain *, size_t),
                                       const char *what, const char *why, struct hx_problems *problems,
                                       struct hx_buf *ids) {
    struct hx_problem *problem = NULL;
    size_t n = 0;
    for (size_t i = 0; i < chain->count; i++)
        if (is(chain, i) && is_first_of_id(chain, i)) /* a duplicate is told as such, and not once more here */
            hx_buf_printf(ids, "%s%s", n++ ? " " : "", chain->items[i]->id);
    if (n < 2)
        return NULL;
    problem = hx_problem_add(problems, what, NULL, "%s: %s", ids->data, why);
    for (size_t i = 0; i < chain->count; i++)
        if (is(chain, i) && is_first_of_id(chain, i))
            hx_problem_file(problem, chain->items[i]->path);
    return problem;
}

static void find_roots(const struct hx_chain *chain, struct hx_problems *problems) {
    _cleanup_buf_ struct hx_buf ids = { 0 };
    struct hx_problem *problem = find_several(
        chain, is_root, "two roots",
        "each is the first, but a chain has one beginning; one has probably lost its parent", problems, &ids);
    if (problem)
        hx_problem_mend(problem, "name the parent of the later one in its file: down_revision");
}

static void find_heads(const struct hx_chain *chain, struct hx_problems *problems) {
    _cleanup_buf_ struct hx_buf ids = { 0 };
    struct hx_problem *problem = find_several(
        chain, hx_chain_is_head, "two heads",
        "nothing follows any of them, but a chain has one end; two people have probably added a revision to "
        "the same parent",
        problems, &ids);
    if (problem && is_alembic(chain->items[0]))
        hx_problem_mend(problem, "join them: alembic merge -m \"merge heads\" %s", ids.data);
    else if (problem)
        hx_problem_mend(problem, "let the later one follow the other: its down_revision is to name that");
}

void hx_chain_check(const struct hx_chain *chain, struct hx_problems *problems) {
    find_duplicates(chain, problems);
    find_missing(chain, problems);
    find_cycles(chain, problems);
    find_roots(chain, problems);
    find_heads(chain, problems);
}

/* The revision that the file's name speaks of, where others follow it and no file declares it. */
static bool stands_for_missing(const struct hx_chain *chain, const struct hx_revision *r) {
    for (size_t i = 0; i < chain->count; i++)
        for (size_t j = 0; j < chain->items[i]->parent_count; j++)
            if (index_of(chain, chain->items[i]->parents[j]) == chain->count &&
                hx_revision_name_says(r, chain->items[i]->parents[j]))
                return true;
    return false;
}

void hx_chain_check_names(const struct hx_chain *chain, struct hx_problems *problems) {
    for (size_t i = 0; i < chain->count; i++) {
        const struct hx_revision *r = chain->items[i];
        if (hx_revision_name_agrees(r))
            continue;
        struct hx_problem *problem = hx_problem_add(
            problems, "name disagrees", r->id,
            "the file's name disagrees with the revision %s that it declares; it was probably renamed, or "
            "overwritten with another revision",
            r->id);
        hx_problem_file(problem, r->path);
        const char *dot = strrchr(r->path, '.');
        if (stands_for_missing(chain, r))
            hx_problem_mend(problem, RESTORE, r->path, r->path);
        else
            hx_problem_mend(problem, "if its content is right: git mv %s %.*s%s_words%s", r->path,
                            (int)(hx_revision_file_name(r) - r->path), r->path, r->id, dot ? dot : "");
    }
}
