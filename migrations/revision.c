#include "migrations/revision.h"

#include "common/text.h"
#include "migrations/statement.h"
#include "migrations/token.h"

#include <errno.h>
#include <string.h>

HX_DEFINE_CLEANUP(struct hx_revision, hx_revision_free)

struct parser {
    struct hx_revision *revision;
    struct hx_problems *problems;
    const char *at, *end;
    unsigned line; /* of at */
    bool saw_parent, saw_message;
};

static int complain(struct parser *p, unsigned line, const char *why) {
    struct hx_problem *problem = hx_problem_add(p->problems, "revision file", p->revision->id, "%s", why);
    hx_problem_file(problem, p->revision->path);
    problem->line = line;
    return -EINVAL;
}

/* --- comments that mean something ------------------------------------------------------------------------- */

/* The trimmed text behind the dashes of a line comment; the caller frees. */
static char *comment_text(const char *line, size_t n) {
    const char *s = line + 2, *end = line + n;
    while (s < end && strchr(" \t\r", *s))
        s++;
    while (end > s && strchr(" \t\r", end[-1]))
        end--;
    return hx_strndup(s, (size_t)(end - s));
}

static bool is_blank(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", line[i]))
            return false;
    return true;
}

/* The value behind "key:", or NULL. */
static const char *value_of(const char *comment, const char *key) {
    size_t n = strlen(key);
    if (strncmp(comment, key, n) != 0 || comment[n] != ':')
        return NULL;
    const char *value = comment + n + 1;
    return value + strspn(value, " \t");
}

/* Ids travel through command lines, file names and +N, A:B: only what can't be mistaken for anything else. */
const char *hx_revision_bad_id(const char *id) {
    static const char *const words[] = { "head", "heads", "base", "current" };
    if (!*id)
        return "`-- revision:` is empty";
    if (strlen(id) > HX_REVISION_ID_MAX)
        return "a revision's id has at most 32 characters, as alembic_version has";
    if (strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") != strlen(id))
        return "a revision's id is made of letters, digits, underscores and dots";
    for (size_t i = 0; i < HX_ARRAY_LEN(words); i++)
        if (hx_streq(id, words[i]))
            return "this word means something else to heimdex-migrate and can't be a revision's id";
    return NULL;
}

/* --- the header --------------------------------------------------------------------------------------------- */

static int header_comment(struct parser *p, const char *comment) {
    struct hx_revision *r = p->revision;
    const char *value, *why;
    if ((value = value_of(comment, "revision"))) {
        if (r->id)
            return complain(p, p->line, "a second `-- revision:`");
        why = hx_revision_bad_id(value);
        if (why)
            return complain(p, p->line, why);
        r->id = hx_strdup(value);
    } else if ((value = value_of(comment, "down_revision"))) {
        if (p->saw_parent)
            return complain(p, p->line, "a second `-- down_revision:`");
        p->saw_parent = true;
        if (*value && (why = hx_revision_bad_id(value)))
            return complain(p, p->line,
                            strchr(value, ',') ? "a revision has one parent, and this chain no merges" : why);
        if (*value)
            hx_revision_add_parent(r, value);
    } else if ((value = value_of(comment, "message"))) {
        if (p->saw_message)
            return complain(p, p->line, "a second `-- message:`");
        p->saw_message = true;
        r->message = hx_strdup(value);
    } else if (hx_streq(comment, "no-transaction")) {
        r->no_transaction = true;
    }
    return 0;
}

static int header_complete(struct parser *p) {
    if (!p->revision->id)
        return complain(p, 1, "the header has no `-- revision:` line");
    if (!p->saw_parent)
        return complain(p, 1, "the header has no `-- down_revision:` line (leave its value empty for the first)");
    if (!p->saw_message)
        return complain(p, 1, "the header has no `-- message:` line");
    return 0;
}

/* Reads up to and including the line `-- upgrade`. */
static int parse_header(struct parser *p) {
    while (p->at < p->end) {
        const char *newline = memchr(p->at, '\n', (size_t)(p->end - p->at));
        const char *line = p->at, *line_end = newline ? newline : p->end;
        size_t n = (size_t)(line_end - line);
        bool comment_line = n >= 2 && line[0] == '-' && line[1] == '-';
        if (!comment_line && !is_blank(line, n))
            return p->revision->id ? complain(p, p->line, "SQL stands before the line `-- upgrade`")
                                   : complain(p, 1, "the header has no `-- revision:` line");
        _cleanup_free_ char *comment = comment_line ? comment_text(line, n) : hx_strdup("");
        int r = header_comment(p, comment);
        if (r < 0)
            return r;
        p->at = newline ? newline + 1 : p->end;
        p->line++;
        if (hx_streq(comment, "upgrade"))
            return header_complete(p);
        if (hx_streq(comment, "downgrade"))
            return complain(p, p->line - 1, "`-- downgrade` stands before `-- upgrade`");
    }
    int r = header_complete(p);
    return r < 0 ? r : complain(p, p->line, "there is no line `-- upgrade`");
}

/* --- the sections ------------------------------------------------------------------------------------------- */

static int section_comment(struct parser *p, const struct hx_token *t, const char **ret_cut) {
    bool whole_line = t->text[0] == '-' && t->text[-1] == '\n'; /* the header's lines stand before it */
    if (!whole_line)
        return 0;
    _cleanup_free_ char *comment = comment_text(t->text, t->size);
    if (hx_streq(comment, "no-transaction"))
        p->revision->no_transaction = true;
    else if (hx_streq(comment, "downgrade") && !p->revision->has_downgrade)
        *ret_cut = t->text;
    else if (hx_streq(comment, "upgrade") || hx_streq(comment, "downgrade"))
        return complain(p, p->line, "this section stands in the file a second time");
    return 0;
}

/* Reads up to the line `-- downgrade` or the end; a line that reads so within a quote is none. */
static int parse_section(struct parser *p, struct hx_statements *statements) {
    const char *start = p->at, *cut = NULL;
    unsigned first_line = p->line;
    while (p->at < p->end && !cut) {
        struct hx_token t = hx_token_at(p->at, p->end);
        if (t.kind == HX_TOKEN_COMMENT) {
            int r = section_comment(p, &t, &cut);
            if (r < 0)
                return r;
        }
        for (size_t i = 0; i < t.size; i++)
            p->line += t.text[i] == '\n';
        p->at = t.text + t.size;
    }
    const char *end = cut ? cut : p->end, *why;
    unsigned line;
    int r = hx_split(start, (size_t)(end - start), first_line, statements, &line, &why);
    return r < 0 ? complain(p, line, why) : (cut ? 1 : 0);
}

static int check_statements(struct parser *p, const struct hx_statements *statements) {
    for (size_t i = 0; i < statements->count; i++) {
        const char *why = hx_statement_forbidden(statements->items[i].sql, p->revision->no_transaction);
        if (why)
            return complain(p, statements->items[i].line, why);
    }
    return 0;
}

static int parse(struct parser *p) {
    struct hx_revision *revision = p->revision;
    int r = parse_header(p);
    if (r < 0)
        return r;
    revision->upgrade_line = p->line - 1;
    r = parse_section(p, &revision->upgrade);
    if (r > 0) {
        revision->has_downgrade = true;
        revision->downgrade_line = p->line;
        r = parse_section(p, &revision->downgrade);
    }
    if (r < 0)
        return r;
    r = check_statements(p, &revision->upgrade);
    return r < 0 ? r : check_statements(p, &revision->downgrade);
}

int hx_revision_parse(const char *path, const char *text, size_t n, struct hx_revision **ret,
                      struct hx_problems *problems) {
    HX_CLEANUP(hx_revision_free_p) struct hx_revision *revision = hx_revision_new(path);
    struct parser p = { .revision = revision, .problems = problems, .at = text, .end = text + n, .line = 1 };
    if (memchr(text, '\0', n) || !hx_utf8_valid(text, n))
        return complain(&p, 1, "this is no UTF-8 text");
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) /* editors of Windows put a byte order mark there */
        p.at += 3;
    int r = parse(&p);
    if (r < 0)
        return r;
    *ret = HX_TAKE(revision);
    return 0;
}

/* --- the value ---------------------------------------------------------------------------------------------- */

struct hx_revision *hx_revision_new(const char *path) {
    struct hx_revision *revision = hx_alloc(sizeof *revision);
    revision->path = hx_strdup(path);
    return revision;
}

void hx_revision_add_parent(struct hx_revision *revision, const char *parent) {
    revision->parents = hx_realloc(revision->parents, (revision->parent_count + 1) * sizeof *revision->parents);
    revision->parents[revision->parent_count++] = hx_strdup(parent);
    revision->parent = revision->parents[0];
}

void hx_revision_add_label(struct hx_revision *revision, const char *label) {
    for (size_t i = 0; i < revision->label_count; i++)
        if (hx_streq(revision->labels[i], label))
            return;
    revision->labels = hx_realloc(revision->labels, (revision->label_count + 1) * sizeof *revision->labels);
    revision->labels[revision->label_count++] = hx_strdup(label);
}

static void free_list(char **list, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

struct hx_revision *hx_revision_free(struct hx_revision *revision) {
    if (!revision)
        return NULL;
    free(revision->id);
    free_list(revision->parents, revision->parent_count);
    free_list(revision->depends, revision->depend_count);
    free_list(revision->labels, revision->label_count);
    free(revision->message);
    free(revision->text);
    free(revision->path);
    hx_statements_reset(&revision->upgrade);
    hx_statements_reset(&revision->downgrade);
    free(revision);
    return NULL;
}

const char *hx_revision_file_name(const struct hx_revision *revision) {
    const char *slash = strrchr(revision->path, '/');
    return slash ? slash + 1 : revision->path;
}

bool hx_revision_name_says(const struct hx_revision *revision, const char *id) {
    const char *name = hx_revision_file_name(revision), *dot = strrchr(name, '.');
    bool alembic = dot && hx_streq(dot, ".py");
    size_t n = strlen(id);
    for (const char *at = name; (at = strstr(at, id)); at++) {
        bool begins = at == name || (alembic && (at[-1] == '_' || at[-1] == '-'));
        bool ends = at[n] == '_' || at + n == dot || (alembic && at[n] == '-');
        if (begins && ends)
            return true;
        if (!alembic)
            return false;
    }
    return false;
}

bool hx_revision_name_agrees(const struct hx_revision *revision) {
    return hx_revision_name_says(revision, revision->id);
}
