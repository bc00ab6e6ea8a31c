#include "lib/ledger/search.h"

#include "lib/ledger/ledger_internal.h"

#include <stdlib.h>
#include <string.h>

/* The first step asks what there is to find, the others look at one stretch of ids after the other, downwards, in stretches that grow. */

enum { PLAN_FROM = 1000, LOOK_MAX = 64000, SEGMENTS = 3 };
/* A type or an organisation is rare when a walk would look at more than this many jobs for each of its; then all of its are read at once.
 * So they are when a walk has looked at WALK_MAX for too few of them: they may lie far back, close together. */
enum { RARE = 5000, RARE_MAX = 20000, WALK_MAX = 80000 };

enum way { WAY_JOBS, WAY_WAITING, WAY_RETRY, WAY_TROUBLED, WAY_RUNNING, WAY_TYPE, WAY_ORG };

/* Ids between the two, which don't belong to it. */
struct segment {
    enum way way;
    bool random; /* not in the order of time */
    struct hx_uuid below, above;
};

struct found {
    int64_t created_at;
    struct hx_uuid id;
    char *text;
};

struct hx_search {
    struct hx_job_filter filter;
    bool planned, sorted;
    int statement;
    struct segment segments[SEGMENTS];
    size_t segment_count, at;
    int64_t matching; /* as many there are, by the counts */
    int64_t few;      /* of the type, or of the organisation if it has fewer; INT64_MAX without either */
    enum way at_once; /* how these are read */
    int64_t looked, reached;
    int32_t stretch; /* how many to look at in the next step */
    struct found *found;
    size_t count;
};

static const struct hx_uuid nil, last = { .b = { [0 ... 15] = 0xff } };

struct hx_search *hx_search_new(const struct hx_job_filter *filter) {
    struct hx_search *s = hx_alloc(sizeof *s);
    bool any = filter->status < 0 && !filter->type && !filter->org_id;
    *s = (struct hx_search){ .filter = *filter, .stretch = any ? HX_MIN(filter->limit, LOOK_MAX) : PLAN_FROM };
    return s;
}

/* ---- the plan ---- */

static void ask_plan(struct hx_search *s, struct hx_pg_tx *tx) {
    const struct hx_job_filter *f = &s->filter;
    s->statement = LEDGER_ADD(tx, search_plan);
    hx_pg_text(tx, f->type);
    hx_pg_uuid(tx, f->org_id);
    hx_pg_time(tx, f->since);
    hx_pg_time(tx, f->until);
    hx_pg_text(tx, f->status < 0 ? NULL : hx_status_name((enum hx_status)f->status));
}

static void segment(struct hx_search *s, enum way way, struct hx_uuid below, struct hx_uuid above) {
    if (hx_uuid_cmp(&below, &above) > 0)
        s->segments[s->segment_count++] = (struct segment){ .way = way, .below = below, .above = above };
}

static struct hx_uuid larger(struct hx_uuid a, struct hx_uuid b) {
    return hx_uuid_cmp(&a, &b) > 0 ? a : b;
}

static struct hx_uuid smaller(struct hx_uuid a, struct hx_uuid b) {
    return hx_uuid_cmp(&a, &b) > 0 ? b : a;
}

static struct hx_uuid next(struct hx_uuid id) {
    for (size_t i = sizeof id.b; i-- > 0 && ++id.b[i] == 0;)
        ;
    return id;
}

enum plan_column { NEWEST, FIRST, OLDEST, POSITION, JOBS, OF_TYPE, OF_ORG, MATCHING };

/* The walk in order of ids: what has time's order first, then the random ids behind it. */
static void walk(struct hx_search *s, enum way way, const struct hx_pg_tx *tx) {
    struct hx_uuid newest = hx_pg_get_uuid(tx, s->statement, 0, NEWEST),
                   first = hx_pg_get_uuid(tx, s->statement, 0, FIRST),
                   oldest = hx_pg_get_uuid(tx, s->statement, 0, OLDEST),
                   position = hx_pg_get_uuid(tx, s->statement, 0, POSITION);
    first = smaller(first, newest);
    if (way == WAY_WAITING) { /* what the sweep has not passed yet may stand in no row of waiting */
        segment(s, WAY_JOBS, first, larger(position, oldest));
        first = smaller(first, next(position));
    }
    segment(s, way, first, oldest);
    segment(s, way, last, newest);
    s->segments[s->segment_count - 1].random = true;
}

static enum way way_of(int status) {
    switch (status) {
    case HX_QUEUED: return WAY_WAITING;
    case HX_RUNNING: return WAY_RUNNING;
    case HX_FAILED: return WAY_RETRY;
    case HX_CANCELED:
    case HX_DEAD_LETTER: return WAY_TROUBLED;
    default: return WAY_JOBS;
    }
}

static void plan(struct hx_search *s, const struct hx_pg_tx *tx) {
    int64_t jobs = hx_pg_get_int8(tx, s->statement, 0, JOBS);
    int64_t of_type = s->filter.type ? hx_pg_get_int8(tx, s->statement, 0, OF_TYPE) : INT64_MAX;
    int64_t of_org = s->filter.org_id ? hx_pg_get_int8(tx, s->statement, 0, OF_ORG) : INT64_MAX;
    enum way way = way_of(s->filter.status);
    s->planned = true;
    s->matching = hx_pg_get_int8(tx, s->statement, 0, MATCHING);
    s->few = HX_MIN(of_type, of_org);
    s->at_once = of_type <= of_org ? WAY_TYPE : WAY_ORG;
    if (way == WAY_RUNNING)
        segment(s, way, last, nil);
    else if (s->few < HX_MIN(jobs / RARE, RARE_MAX))
        segment(s, s->at_once, last, nil);
    else
        walk(s, way, tx);
}

/* ---- the steps ---- */

static int add_step(struct hx_pg_tx *tx, enum way way) {
    switch (way) {
    case WAY_JOBS: return LEDGER_ADD(tx, search_jobs);
    case WAY_WAITING: return LEDGER_ADD(tx, search_waiting);
    case WAY_RETRY: return LEDGER_ADD(tx, search_retry);
    case WAY_TROUBLED: return LEDGER_ADD(tx, search_troubled);
    case WAY_RUNNING: return LEDGER_ADD(tx, search_running);
    case WAY_TYPE: return LEDGER_ADD(tx, search_type);
    case WAY_ORG: return LEDGER_ADD(tx, search_org);
    }
    return -1;
}

static bool is_at_once(const struct segment *g) {
    return g->way == WAY_TYPE || g->way == WAY_ORG;
}

void hx_search_ask(struct hx_search *s, struct hx_pg_tx *tx) {
    const struct hx_job_filter *f = &s->filter;
    if (!s->planned) {
        ask_plan(s, tx);
        return;
    }
    const struct segment *g = &s->segments[s->at];
    s->statement = add_step(tx, g->way);
    hx_pg_uuid(tx, &g->below);
    hx_pg_uuid(tx, &g->above);
    hx_pg_int4(tx, s->stretch);
    hx_pg_text(tx, f->type);
    hx_pg_uuid(tx, f->org_id);
    hx_pg_time(tx, f->since);
    hx_pg_time(tx, f->until);
    hx_pg_text(tx, f->status < 0 ? NULL : hx_status_name((enum hx_status)f->status));
    hx_pg_int4(tx, is_at_once(g) ? f->limit : f->limit - (int32_t)s->count);
}

static void move_on(struct hx_search *s, bool at_its_end, struct hx_uuid id) {
    struct segment *g = &s->segments[s->at];
    int64_t ms = hx_uuid_v7_ms(&id);
    if (!at_its_end && ms >= 0 && !g->random)
        s->reached = ms * 1000;
    g->below = id;
    s->at += at_its_end;
    if (s->at == s->segment_count || s->segments[s->at].random)
        s->reached = 0;
}

static void forget(struct hx_search *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->found[i].text);
    s->count = 0;
}

/* What was found stays until the one step that is left has found it again. */
static void start_over(struct hx_search *s) {
    s->at = s->segment_count = 0;
    segment(s, s->at_once, last, nil);
    s->few = INT64_MAX; /* once is enough */
}

enum step_column { LOOKED, LAST, ID, CREATED_AT, JOB };

void hx_search_answer(struct hx_search *s, const struct hx_pg_tx *tx) {
    int rows = hx_pg_rows(tx, s->statement);
    if (!s->planned) {
        plan(s, tx);
        return;
    }
    if (is_at_once(&s->segments[s->at]))
        forget(s);
    s->found = hx_realloc(s->found, (s->count + (size_t)rows) * sizeof *s->found);
    for (int i = 0; i < rows; i++)
        if (!hx_pg_is_null(tx, s->statement, i, JOB))
            s->found[s->count++] = (struct found){ .created_at = hx_pg_get_time(tx, s->statement, i, CREATED_AT),
                                                   .id = hx_pg_get_uuid(tx, s->statement, i, ID),
                                                   .text = hx_strdup(hx_pg_get_text(tx, s->statement, i, JOB, NULL)) };
    s->sorted = false;
    s->looked += hx_pg_get_int8(tx, s->statement, 0, LOOKED);
    move_on(s, hx_pg_is_null(tx, s->statement, 0, LAST), hx_pg_get_uuid(tx, s->statement, 0, LAST));
    s->stretch = HX_MIN(s->stretch * 4, LOOK_MAX);
    if (s->looked > WALK_MAX && s->few <= RARE_MAX && !hx_search_done(s))
        start_over(s);
}

bool hx_search_done(const struct hx_search *s) {
    if (!s->planned)
        return false;
    return s->at == s->segment_count || (int64_t)s->count >= HX_MIN(s->filter.limit, s->matching);
}

/* ---- what came of it ---- */

static int newest_first(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    return x->created_at != y->created_at ? (x->created_at < y->created_at) - (x->created_at > y->created_at)
                                          : hx_uuid_cmp(&y->id, &x->id);
}

size_t hx_search_count(const struct hx_search *s) {
    return s->count;
}

const char *hx_search_job(struct hx_search *s, size_t i) {
    if (!s->sorted)
        qsort(s->found, s->count, sizeof *s->found, newest_first);
    s->sorted = true;
    return s->found[i].text;
}

int64_t hx_search_looked(const struct hx_search *s) {
    return s->looked;
}

int64_t hx_search_reached(const struct hx_search *s) {
    return s->reached;
}

struct hx_search *hx_search_free(struct hx_search *s) {
    if (!s)
        return NULL;
    forget(s);
    free(s->found);
    free(s);
    return NULL;
}
