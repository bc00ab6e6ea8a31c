#include "migrations/drift.h"

#include <string.h>

/* --- finding facts -------------------------------------------------------------------------------------------- */

static int compare_keys(const char *kind, const char *object, const char *aspect, const struct hx_fact *b) {
    int r = strcmp(object, b->object);
    if (r == 0)
        r = strcmp(kind, b->kind);
    return r ? r : strcmp(aspect, b->aspect);
}

static int compare(const void *a, const void *b) {
    const struct hx_fact *fact = *(const struct hx_fact *const *)a;
    return compare_keys(fact->kind, fact->object, fact->aspect, *(const struct hx_fact *const *)b);
}

/* A schema's facts by object, kind and aspect. */
struct index {
    const struct hx_fact **sorted;
    size_t count;
};

static struct index index_of(const struct hx_schema *schema) {
    struct index index = { hx_allocn(schema->count + 1, sizeof *index.sorted), schema->count };
    for (size_t i = 0; i < schema->count; i++)
        index.sorted[i] = &schema->facts[i];
    qsort(index.sorted, index.count, sizeof *index.sorted, compare);
    return index;
}

static const struct hx_fact *find(const struct index *index, const struct hx_fact *like) {
    const struct hx_fact **found = bsearch(&like, index->sorted, index->count, sizeof *index->sorted, compare);
    return found ? *found : NULL;
}

/* Whether the object is there, as whatever kind. */
static bool has_object(const struct index *index, const char *object) {
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(index->sorted[middle]->object, object) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < index->count && hx_streq(index->sorted[low]->object, object); low++)
        if (!*index->sorted[low]->aspect)
            return true;
    return false;
}

/* --- comparing ------------------------------------------------------------------------------------------------ */

static void add(struct hx_drift *drift, const struct hx_fact *wanted, const struct hx_fact *live, bool told) {
    drift->items = hx_realloc(drift->items, (drift->count + 1) * sizeof *drift->items);
    drift->items[drift->count++] = (struct hx_difference){ .wanted = wanted, .live = live, .told = told };
}

/* A fact whose owner isn't on the other side: a grant's owner is always something that has a fact of its own, but a schema. */
static bool is_orphan(const struct hx_fact *fact, const struct index *own, const struct index *other) {
    return *fact->owner && has_object(own, fact->owner) && !has_object(other, fact->owner);
}

static const struct hx_fact *fact_of(const struct hx_difference *d) {
    return d->wanted ? d->wanted : d->live;
}

/* Untells what is of interest only by itself. */
static void drop_minor(struct hx_drift *drift) {
    for (size_t i = 0; i < drift->count; i++) {
        const struct hx_fact *minor = fact_of(&drift->items[i]);
        for (size_t j = 0; minor->minor && j < drift->count; j++) {
            const struct hx_fact *f = fact_of(&drift->items[j]);
            if (j != i && hx_streq(f->object, minor->object) && hx_streq(f->kind, minor->kind))
                drift->items[i].told = false;
        }
    }
}

/* Of a table, what a partition has from its parent instead. */
static bool is_inherited(const struct hx_fact *fact, const char *table) {
    static const char *const kinds[] = { "column", "constraint", "index" };
    if (hx_streq(fact->kind, "table"))
        return hx_streq(fact->object, table) && (!*fact->aspect || hx_streq(fact->aspect, "partition key"));
    size_t n = strlen(table);
    bool owned = strncmp(fact->owner, table, n) == 0 && (!fact->owner[n] || fact->owner[n] == '.');
    for (size_t i = 0; i < HX_ARRAY_LEN(kinds); i++)
        if (owned && hx_streq(fact->kind, kinds[i]))
            return true;
    return false;
}

/* A table that is a partition on one side, and stands by itself on the other. */
static void find_moved(struct hx_drift *drift, const struct index *in_wanted, const struct index *in_live) {
    for (size_t i = 0; i < drift->count; i++) {
        struct hx_difference *d = &drift->items[i];
        const struct hx_fact *partition = fact_of(d);
        struct hx_fact table = { .kind = (char *)"table", .object = partition->object, .aspect = (char *)"" };
        if ((d->wanted && d->live) || !partition->attach || !find(d->wanted ? in_live : in_wanted, &table))
            continue;
        d->moves = d->told = true;
        for (size_t j = 0; j < drift->count; j++) {
            struct hx_difference *other = &drift->items[j];
            bool there = d->wanted ? !other->wanted : !other->live;
            if (there && is_inherited(fact_of(other), partition->object)) {
                other->moot = true;
                other->told = false;
            }
        }
    }
}

void hx_drift_find(const struct hx_schema *wanted, const struct hx_schema *live, struct hx_drift *ret) {
    *ret = (struct hx_drift){ 0 };
    struct index in_wanted = index_of(wanted), in_live = index_of(live);
    for (size_t i = 0; i < wanted->count; i++) {
        const struct hx_fact *fact = &wanted->facts[i], *found = find(&in_live, fact);
        if (!found || !hx_streq(found->value, fact->value))
            add(ret, fact, found, found || !is_orphan(fact, &in_wanted, &in_live));
    }
    for (size_t i = 0; i < live->count; i++)
        if (!find(&in_wanted, &live->facts[i]))
            add(ret, NULL, &live->facts[i], !is_orphan(&live->facts[i], &in_live, &in_wanted));
    find_moved(ret, &in_wanted, &in_live);
    free(in_wanted.sorted);
    free(in_live.sorted);
    drop_minor(ret);
}

void hx_drift_reset(struct hx_drift *drift) {
    free(drift->items);
    *drift = (struct hx_drift){ 0 };
}
