/* SQL scripts: tokens cover the text without gaps; a statement taken out of a script is one statement by itself, on the line it says. */
#include "migrations/split.h"
#include "migrations/statement.h"

#include "migrations/token.h"
#include "tests/fuzz/fuzz.h"

static void check_tokens(const char *text, size_t n) {
    const char *at = text, *end = text + n;
    for (;;) {
        struct hx_token t = hx_token_at(at, end);
        if (t.kind == HX_TOKEN_END)
            break;
        must(t.text == at && t.size > 0 && t.size <= (size_t)(end - at));
        must(t.kind != HX_TOKEN_OPEN || t.text + t.size == end);
        at += t.size;
    }
    must(at == end);
}

static bool stands_on_line(const char *text, const char *sql, unsigned line) {
    for (unsigned i = 1; i < line && text; i++) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    const char *found = text ? strstr(text, sql) : NULL;
    return found && (!strchr(text, '\n') || found <= strchr(text, '\n'));
}

static void check_statement(const char *text, const struct hx_statement *s) {
    struct hx_statements alone = { 0 };
    unsigned line;
    const char *why;
    must(*s->sql && stands_on_line(text, s->sql, s->line));
    must(hx_split(s->sql, strlen(s->sql), 1, &alone, &line, &why) == 0);
    must(alone.count == 1 && hx_streq(alone.items[0].sql, s->sql) && alone.items[0].line == 1);
    hx_statements_reset(&alone);
    hx_statement_forbidden(s->sql, false);
    hx_statement_forbidden(s->sql, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_free_ char *text = fuzz_text(data, size); /* revisions hold no NUL */
    struct hx_statements statements = { 0 };
    unsigned line = 0, lines = 1, before = 1;
    const char *why = NULL;
    check_tokens((const char *)data, size);
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    if (hx_split(text, strlen(text), 1, &statements, &line, &why) < 0)
        must(why && *why && line >= 1 && line <= lines);
    for (size_t i = 0; i < statements.count; i++) {
        must(statements.items[i].line >= before && statements.items[i].line <= lines);
        before = statements.items[i].line;
        check_statement(text, &statements.items[i]);
    }
    hx_statements_reset(&statements);
    return 0;
}
