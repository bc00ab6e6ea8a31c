#include "migrations/alembic.h"

#include "common/text.h"
#include "migrations/python.h"

#include <errno.h>
#include <string.h>

HX_DEFINE_CLEANUP(struct hx_revision, hx_revision_free)

#define VALUES_MAX 64

/* A literal: None, a string, or strings in brackets. */
struct literal {
    char *values[VALUES_MAX];
    size_t count;
};

struct parser {
    struct hx_revision *revision;
    struct hx_problems *problems;
    struct hx_python python;
    bool saw_revision, saw_parent;
};

static int complain(struct parser *p, unsigned line, const char *name, const char *why) {
    struct hx_problem *problem = hx_problem_add(p->problems, "revision file", p->revision->id, "%s%s", name, why);
    hx_problem_file(problem, p->revision->path);
    problem->line = line;
    return -EINVAL;
}

static void literal_reset(struct literal *literal) {
    for (size_t i = 0; i < literal->count; i++)
        free(literal->values[i]);
    *literal = (struct literal){ 0 };
}

/* --- values ------------------------------------------------------------------------------------------------- */

/* Strings that stand beside each other are one. Leaves the token behind them in *t. */
static void take_string(struct parser *p, struct hx_python_token *t, struct literal *ret) {
    struct hx_buf text = { 0 };
    for (; t->kind == HX_PYTHON_STRING; *t = hx_python_next(&p->python))
        hx_python_string(t, &text);
    ret->values[ret->count++] = hx_buf_take(&text);
}

static bool ends_value(const struct hx_python_token *t) {
    return t->kind == HX_PYTHON_NEWLINE || t->kind == HX_PYTHON_END || hx_python_is(t, ";");
}

/* True when all up to the end of the line was a literal. *t: its first token, then the one behind it. */
static bool take_literal(struct parser *p, struct hx_python_token *t, struct literal *ret) {
    int depth = 0;
    bool may_follow = true; /* a value, where a comma has made room for it */
    while (!ends_value(t)) {
        bool opens = hx_python_is(t, "(") || hx_python_is(t, "[") || hx_python_is(t, "{");
        bool closes = hx_python_is(t, ")") || hx_python_is(t, "]") || hx_python_is(t, "}");
        if (t->kind == HX_PYTHON_STRING && may_follow && ret->count < VALUES_MAX) {
            take_string(p, t, ret);
            may_follow = false;
            continue;
        }
        if (hx_python_is(t, ","))
            may_follow = true;
        else if (opens && may_follow)
            depth++;
        else if (closes && depth > 0)
            depth--;
        else if (hx_python_is(t, "None") && may_follow)
            may_follow = false;
        else
            return false;
        *t = hx_python_next(&p->python);
    }
    return depth == 0;
}

/* --- what they are for -------------------------------------------------------------------------------------- */

static int take_revision(struct parser *p, unsigned line, struct literal *literal) {
    struct hx_revision *r = p->revision;
    if (literal->count != 1 || !*literal->values[0])
        return complain(p, line, "revision", ": must be one string");
    if (strlen(literal->values[0]) > HX_REVISION_ID_MAX)
        return complain(p, line, "revision", ": has at most 32 characters, as alembic_version has");
    free(r->id);
    r->id = HX_TAKE(literal->values[0]);
    p->saw_revision = true;
    return 0;
}

static int take_parents(struct parser *p, struct literal *literal) {
    struct hx_revision *r = p->revision;
    for (size_t i = 0; i < r->parent_count; i++)
        free(r->parents[i]);
    r->parent_count = 0;
    r->parent = NULL;
    for (size_t i = 0; i < literal->count; i++)
        hx_revision_add_parent(r, literal->values[i]);
    p->saw_parent = true;
    return 0;
}

static int take_depends(struct parser *p, const struct literal *literal) {
    struct hx_revision *r = p->revision;
    for (size_t i = 0; i < literal->count; i++) {
        r->depends = hx_realloc(r->depends, (r->depend_count + 1) * sizeof *r->depends);
        r->depends[r->depend_count++] = hx_strdup(literal->values[i]);
    }
    return 0;
}

static int take_labels(struct parser *p, const struct literal *literal) {
    for (size_t i = 0; i < literal->count; i++)
        hx_revision_add_label(p->revision, literal->values[i]);
    return 0;
}

static int take_value(struct parser *p, const char *name, unsigned line, struct literal *literal) {
    if (hx_streq(name, "revision"))
        return take_revision(p, line, literal);
    if (hx_streq(name, "down_revision"))
        return take_parents(p, literal);
    return hx_streq(name, "depends_on") ? take_depends(p, literal) : take_labels(p, literal);
}

/* --- statements --------------------------------------------------------------------------------------------- */

static const char *known_name(const struct hx_python_token *t) {
    static const char *const names[] = { "revision", "down_revision", "depends_on", "branch_labels" };
    for (size_t i = 0; i < HX_ARRAY_LEN(names); i++)
        if (t->kind == HX_PYTHON_NAME && hx_python_is(t, names[i]))
            return names[i];
    return NULL;
}

/* Goes to the end of the statement; *t: any token of it. */
static void skip_statement(struct parser *p, struct hx_python_token *t) {
    while (!ends_value(t))
        *t = hx_python_next(&p->python);
}

/* NAME = …, NAME: annotation = …; *t stands behind the name. False where it is something else. */
static bool skip_to_value(struct parser *p, struct hx_python_token *t) {
    int depth = 0;
    bool annotated = hx_python_is(t, ":");
    for (; annotated && !ends_value(t); *t = hx_python_next(&p->python)) {
        depth += hx_python_is(t, "[") || hx_python_is(t, "(");
        depth -= hx_python_is(t, "]") || hx_python_is(t, ")");
        if (depth == 0 && hx_python_is(t, "="))
            break;
    }
    if (!hx_python_is(t, "="))
        return false;
    *t = hx_python_next(&p->python);
    return !hx_python_is(t, "="); /* a comparison */
}

static int parse_assignment(struct parser *p, const char *name, struct hx_python_token *t) {
    HX_CLEANUP(literal_reset) struct literal literal = { 0 };
    unsigned line = t->line;
    if (!skip_to_value(p, t))
        return 0;
    if (!take_literal(p, t, &literal))
        return complain(p, line, name, " is computed: what it is can't be known without running the file");
    return take_value(p, name, line, &literal);
}

/* The docstring's text, trimmed, and what stands before its first blank line. */
static void take_docstring(struct parser *p, const struct hx_python_token *t) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    hx_python_string(t, &text);
    const char *start = text.data ? text.data : "", *end = start + strlen(start);
    while (strchr(" \t\r\n", *start) && *start)
        start++;
    while (end > start && strchr(" \t\r\n", end[-1]))
        end--;
    p->revision->text = hx_strndup(start, (size_t)(end - start));
    const char *blank = strstr(p->revision->text, "\n\n");
    free(p->revision->message);
    p->revision->message =
        blank ? hx_strndup(p->revision->text, (size_t)(blank - p->revision->text)) : hx_strdup(p->revision->text);
}

static int parse(struct parser *p) {
    bool may_be_doc = true;
    for (;;) {
        struct hx_python_token t = hx_python_next(&p->python);
        if (t.kind == HX_PYTHON_END)
            break;
        const char *name = t.first && !t.indented ? known_name(&t) : NULL;
        int r = 0;
        if (may_be_doc && t.kind == HX_PYTHON_STRING)
            take_docstring(p, &t);
        may_be_doc = false;
        if (t.kind == HX_PYTHON_OPEN)
            return complain(p, t.line, "", "this string is never closed");
        t = ends_value(&t) ? t : hx_python_next(&p->python);
        if (name)
            r = parse_assignment(p, name, &t);
        if (r < 0)
            return r;
        skip_statement(p, &t);
    }
    if (!p->saw_revision)
        return complain(p, 1, "", "no `revision = \"…\"` at the top level: is it a revision of Alembic's?");
    if (!p->saw_parent)
        return complain(p, 1, "", "no `down_revision = …` at the top level");
    return 0;
}

int hx_alembic_parse(const char *path, const char *text, size_t n, struct hx_revision **ret,
                     struct hx_problems *problems) {
    HX_CLEANUP(hx_revision_free_p) struct hx_revision *revision = hx_revision_new(path);
    size_t bom = n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    struct parser p = {
        .revision = revision,
        .problems = problems,
        .python = { .start = text + bom, .at = text + bom, .end = text + n, .line = 1 },
    };
    revision->message = hx_strdup("");
    if (memchr(text, '\0', n) || !hx_utf8_valid(text, n))
        return complain(&p, 1, "", "this is no UTF-8 text");
    int r = parse(&p);
    if (r < 0)
        return r;
    *ret = HX_TAKE(revision);
    return 0;
}
