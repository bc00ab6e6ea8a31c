#include "migrations/split.h"

#include "common/text.h"
#include "migrations/token.h"

#include <errno.h>
#include <string.h>

/* What is known of the statement being read. */
struct reader {
    const char *start, *last; /* its first token, and behind its last one; NULL before it begins */
    unsigned line;            /* of start */
    int parens, bodies;       /* open parentheses; BEGIN ATOMIC and the CASEs within */
    bool after_begin;         /* the word before was BEGIN */
};

static unsigned lines_in(const struct hx_token *t) {
    unsigned n = 0;
    for (size_t i = 0; i < t->size; i++)
        n += t->text[i] == '\n';
    return n;
}

static void finish(struct reader *r, struct hx_statements *statements) {
    if (r->start) {
        statements->items = hx_realloc(statements->items, (statements->count + 1) * sizeof *statements->items);
        statements->items[statements->count++] = (struct hx_statement){
            .sql = hx_strndup(r->start, (size_t)(r->last - r->start)),
            .line = r->line,
        };
    }
    *r = (struct reader){ 0 };
}

/* END closes a BEGIN ATOMIC body or a CASE within it; elsewhere it is nothing to us. */
static void note_word(struct reader *r, const struct hx_token *t) {
    if (r->bodies > 0) {
        r->bodies += hx_token_is(t, "case");
        r->bodies -= hx_token_is(t, "end");
    } else if (r->after_begin && hx_token_is(t, "atomic")) {
        r->bodies = 1;
    }
    r->after_begin = hx_token_is(t, "begin");
}

static void note(struct reader *r, const struct hx_token *t, unsigned line) {
    if (!r->start) {
        r->start = t->text;
        r->line = line;
    }
    r->last = t->text + t->size;
    if (t->kind == HX_TOKEN_WORD) {
        note_word(r, t);
        return;
    }
    r->after_begin = false;
    if (t->kind == HX_TOKEN_SIGN)
        r->parens += (*t->text == '(') - (*t->text == ')');
}

int hx_split(const char *text, size_t n, unsigned line, struct hx_statements *statements, unsigned *reterr_line,
             const char **reterr_why) {
    const char *end = text + n;
    struct reader reader = { 0 };
    for (;;) {
        struct hx_token t = hx_token_at(text, end);
        if (t.kind == HX_TOKEN_END)
            break;
        if (t.kind == HX_TOKEN_OPEN) {
            *reterr_line = line;
            *reterr_why = *t.text == '/' ? "this comment is never closed" : "this quote is never closed";
            return -EINVAL;
        }
        bool separates = t.kind == HX_TOKEN_SIGN && *t.text == ';' && reader.parens <= 0 && reader.bodies == 0;
        if (separates)
            finish(&reader, statements);
        else if (t.kind != HX_TOKEN_SPACE && t.kind != HX_TOKEN_COMMENT)
            note(&reader, &t, line);
        line += lines_in(&t);
        text = t.text + t.size;
    }
    finish(&reader, statements);
    return 0;
}

void hx_statements_reset(struct hx_statements *statements) {
    for (size_t i = 0; i < statements->count; i++)
        free(statements->items[i].sql);
    free(statements->items);
    *statements = (struct hx_statements){ 0 };
}
