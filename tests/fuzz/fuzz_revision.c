/* Revision files: a file is a revision or has a problem that is told with its line; and what was read can be written as a file that
 * reads as the same revision. */
#include "migrations/revision.h"

#include "tests/fuzz/fuzz.h"

#define PATH "versions/a_b.sql"

static void write_section(struct hx_buf *out, const char *name, const struct hx_statements *s) {
    hx_buf_printf(out, "-- %s\n", name);
    for (size_t i = 0; i < s->count; i++)
        hx_buf_printf(out, "%s\n;\n", s->items[i].sql);
}

static void same(const struct hx_statements *a, const struct hx_statements *b) {
    must(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        must(hx_streq(a->items[i].sql, b->items[i].sql));
}

static void check_rewritten(const struct hx_revision *r) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    struct hx_problems problems = { 0 };
    struct hx_revision *again = NULL;
    hx_buf_printf(&text, "-- revision: %s\n-- down_revision: %s\n-- message: %s\n%s", r->id, r->parent ? r->parent : "",
                  r->message, r->no_transaction ? "-- no-transaction\n" : "");
    write_section(&text, "upgrade", &r->upgrade);
    if (r->has_downgrade)
        write_section(&text, "downgrade", &r->downgrade);
    int result = hx_revision_parse(PATH, text.data, text.len, &again, &problems);
    if (result < 0)
        fprintf(stderr, "line %u: %s\n%s", problems.items[0].line, problems.items[0].why, text.data);
    must(result == 0);
    must(hx_streq(again->id, r->id) && hx_streq(again->parent, r->parent) && hx_streq(again->message, r->message));
    must(again->no_transaction == r->no_transaction && again->has_downgrade == r->has_downgrade);
    same(&again->upgrade, &r->upgrade);
    same(&again->downgrade, &r->downgrade);
    hx_revision_free(again);
    hx_problems_reset(&problems);
}

static bool names_the_file(const struct hx_problem *problem) {
    _cleanup_buf_ struct hx_buf where = { 0 };
    hx_problem_where(problem, &where);
    return *problem->why && problem->file_count == 1 && hx_startswith(where.data, PATH);
}

/* What a statement leaves open (parentheses, BEGIN ATOMIC) swallows the semicolon behind it; only the last of a file may do that. */
static bool closes(const struct hx_statements *s) {
    bool all = true;
    for (size_t i = 0; i < s->count; i++) {
        struct hx_statements alone = { 0 };
        unsigned line;
        const char *why;
        _cleanup_free_ char *text = hx_printf("%s\n;\n", s->items[i].sql);
        must(hx_split(text, strlen(text), 1, &alone, &line, &why) == 0);
        all = all && alone.count == 1 && hx_streq(alone.items[0].sql, s->items[i].sql);
        hx_statements_reset(&alone);
    }
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct hx_problems problems = { 0 };
    struct hx_revision *r = NULL;
    if (hx_revision_parse(PATH, (const char *)data, size, &r, &problems) < 0) {
        must(!r && problems.count == 1 && names_the_file(&problems.items[0]));
    } else {
        must(problems.count == 0);
        must(r->id && *r->id && strlen(r->id) <= HX_REVISION_ID_MAX && r->message);
        must(r->upgrade_line >= 1 && (!r->has_downgrade || r->downgrade_line > r->upgrade_line));
        hx_revision_name_agrees(r);
        if (closes(&r->upgrade) && closes(&r->downgrade))
            check_rewritten(r);
    }
    hx_revision_free(r);
    hx_problems_reset(&problems);
    return 0;
}
