#include "migrations/problem.h"

#include "common/text.h"

void hx_problem_add(struct hx_problems *problems, const char *what, const char *revision, const char *where,
                    const char *fmt, ...) {
    _cleanup_buf_ struct hx_buf why = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&why, fmt, ap);
    va_end(ap);
    problems->items = hx_realloc(problems->items, (problems->count + 1) * sizeof *problems->items);
    problems->items[problems->count++] = (struct hx_problem){
        .what = hx_strdup(what),
        .revision = hx_strdup(revision ? revision : ""),
        .where = hx_strdup(where),
        .why = hx_buf_take(&why),
    };
}

void hx_problems_reset(struct hx_problems *problems) {
    for (size_t i = 0; i < problems->count; i++) {
        struct hx_problem *p = &problems->items[i];
        free(p->what);
        free(p->revision);
        free(p->where);
        free(p->why);
    }
    free(problems->items);
    *problems = (struct hx_problems){ 0 };
}
