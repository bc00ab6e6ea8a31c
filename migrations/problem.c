#include "migrations/problem.h"

#include "common/log.h"

struct hx_problem *hx_problem_add(struct hx_problems *problems, const char *what, const char *revision, const char *fmt,
                                  ...) {
    _cleanup_buf_ struct hx_buf why = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&why, fmt, ap);
    va_end(ap);
    problems->items = hx_realloc(problems->items, (problems->count + 1) * sizeof *problems->items);
    struct hx_problem *problem = &problems->items[problems->count++];
    *problem = (struct hx_problem){
        .what = hx_strdup(what),
        .revision = hx_strdup(revision ? revision : ""),
        .why = hx_buf_take(&why),
        .mend = hx_strdup(""),
    };
    return problem;
}

void hx_problem_file(struct hx_problem *problem, const char *path) {
    problem->files = hx_realloc(problem->files, (problem->file_count + 1) * sizeof *problem->files);
    problem->files[problem->file_count++] = hx_strdup(path);
}

void hx_problem_mend(struct hx_problem *problem, const char *fmt, ...) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    free(problem->mend);
    problem->mend = hx_buf_take(&text);
}

void hx_problems_reset(struct hx_problems *problems) {
    for (size_t i = 0; i < problems->count; i++) {
        struct hx_problem *p = &problems->items[i];
        free(p->what);
        free(p->revision);
        for (size_t j = 0; j < p->file_count; j++)
            free(p->files[j]);
        free(p->files);
        free(p->why);
        free(p->mend);
    }
    free(problems->items);
    *problems = (struct hx_problems){ 0 };
}

/* --- telling ------------------------------------------------------------------------------------------------ */

void hx_problem_where(const struct hx_problem *problem, struct hx_buf *out) {
    for (size_t i = 0; i < problem->file_count; i++)
        hx_buf_printf(out, "%s%s", i ? ", " : "", problem->files[i]);
    if (problem->line)
        hx_buf_printf(out, ":%u", problem->line);
}

void hx_problems_complain(const struct hx_problems *problems, const char *service) {
    for (size_t i = 0; i < problems->count; i++) {
        const struct hx_problem *p = &problems->items[i];
        _cleanup_buf_ struct hx_buf where = { 0 };
        hx_problem_where(p, &where);
        hx_complain("%s%s%s: %s%s%s%s%s", service ? service : "", service ? ": " : "", p->what,
                    where.len ? where.data : "", where.len ? ": " : "", p->why, *p->mend ? "; " : "", p->mend);
    }
}

void hx_problems_json(const struct hx_problems *problems, struct hx_buf *out) {
    hx_buf_putc(out, '[');
    for (size_t i = 0; i < problems->count; i++) {
        const struct hx_problem *p = &problems->items[i];
        hx_buf_puts(out, i ? ",{\"problem\":" : "{\"problem\":");
        hx_buf_json_string(out, p->what, SIZE_MAX);
        hx_buf_puts(out, ",\"revision\":");
        hx_buf_json_string(out, p->revision, SIZE_MAX);
        hx_buf_puts(out, ",\"files\":[");
        for (size_t j = 0; j < p->file_count; j++) {
            if (j > 0)
                hx_buf_putc(out, ',');
            hx_buf_json_string(out, p->files[j], SIZE_MAX);
        }
        _cleanup_buf_ struct hx_buf advice = { 0 };
        if (p->line)
            hx_buf_printf(&advice, "line %u: ", p->line);
        hx_buf_printf(&advice, "%s%s%s", p->why, *p->mend ? "; " : "", p->mend);
        hx_buf_puts(out, "],\"advice\":");
        hx_buf_json_string(out, advice.data, SIZE_MAX);
        hx_buf_putc(out, '}');
    }
    hx_buf_putc(out, ']');
}
