#include "migrations/checksum.h"

#include "common/text.h"
#include "migrations/token.h"

#include <ctype.h>
#include <string.h>

enum shape { OTHER, WORD, LETTER, QUOTED, OPERATOR };

static enum shape shape_of(const struct hx_token *t) {
    bool word = t->kind == HX_TOKEN_WORD || (t->kind == HX_TOKEN_SIGN && isdigit((unsigned char)*t->text));
    if (word)
        return t->size == 1 && isalpha((unsigned char)*t->text) ? LETTER : WORD;
    if (t->kind == HX_TOKEN_QUOTED)
        return QUOTED;
    return strchr("+-*/<>=~!@#%^&|`?:.", *t->text) ? OPERATOR : OTHER;
}

/* Whether the space between two tokens means something: without it they would be read as one, or as another kind (E'…'). */
static bool counts(enum shape left, enum shape right) {
    bool left_word = left == WORD || left == LETTER, right_word = right == WORD || right == LETTER;
    return (left_word && right_word) || (left == QUOTED && right == QUOTED) ||
           (left == OPERATOR && right == OPERATOR) || (left == LETTER && right == QUOTED);
}

void hx_checksum_text(const char *sql, struct hx_buf *out) {
    const char *end = sql + strlen(sql);
    bool space = false, first = true;
    enum shape last = OTHER;
    for (const char *at = sql; at < end;) {
        struct hx_token t = hx_token_at(at, end);
        at = t.text + t.size;
        if (t.kind == HX_TOKEN_SPACE || t.kind == HX_TOKEN_COMMENT) {
            space = true;
            continue;
        }
        enum shape shape = shape_of(&t);
        bool always = last == WORD && shape == QUOTED; /* where none stands too: it changes nothing */
        if (!first && (always || (space && counts(last, shape))))
            hx_buf_putc(out, ' ');
        hx_buf_append(out, t.text, t.size);
        last = shape;
        space = first = false;
    }
}

void hx_checksum(const struct hx_statements *statements, size_t n, char ret[HX_SHA256_HEX_SIZE]) {
    struct hx_sha256 sum;
    hx_sha256_init(&sum);
    for (size_t i = 0; i < n; i++) {
        _cleanup_buf_ struct hx_buf text = { 0 };
        hx_checksum_text(statements->items[i].sql, &text);
        hx_buf_puts(&text, ";\n");
        hx_sha256_update(&sum, text.data, text.len);
    }
    hx_sha256_end_hex(&sum, ret);
}
