#include "migrations/token.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Bytes over 127 count as letters, as in PostgreSQL's scanner. */
static bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool in_tag(char c) {
    return starts_word(c) || (c >= '0' && c <= '9');
}

/* All of these return the first byte behind the token, or NULL when it isn't closed. */

static const char *behind_line(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline : end;
}

static const char *behind_block(const char *at, const char *end) {
    int depth = 0;
    while (end - at >= 2) {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (at[0] == '*' && at[1] == '/') {
            at += 2;
            if (--depth == 0)
                return at;
        } else {
            at++;
        }
    }
    return NULL;
}

/* A doubled quote needs no care: it reads as the end of one token and the start of the next. */
static const char *behind_quote(const char *at, const char *end) {
    const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));
    return close ? close + 1 : NULL;
}

/* at: the quote behind the E. Segments that follow on a later line still belong to the string, escapes and all. */
static const char *behind_escaped(const char *at, const char *end) {
    const char *p = at + 1;
    for (;;) {
        while (p < end && *p != '\'')
            p += *p == '\\' && end - p >= 2 ? 2 : 1;
        if (p >= end)
            return NULL;
        const char *closed = ++p;
        if (p < end && *p == '\'') {
            p++;
            continue;
        }
        bool newline = false;
        for (; p < end && is_space(*p); p++)
            newline |= *p == '\n' || *p == '\r';
        if (!newline || p == end || *p != '\'')
            return closed;
        p++;
    }
}

/* at: a dollar sign. Returns it when it opens no dollar quote ($1). */
static const char *behind_dollars(const char *at, const char *end) {
    const char *tag_end = at + 1;
    if (tag_end < end && starts_word(*tag_end))
        while (tag_end < end && in_tag(*tag_end))
            tag_end++;
    if (tag_end == end || *tag_end != '$')
        return at;
    size_t size = (size_t)(tag_end + 1 - at);
    const char *body = tag_end + 1;
    const char *close = memmem(body, (size_t)(end - body), at, size);
    return close ? close + size : NULL;
}

static struct hx_token token(enum hx_token_kind kind, const char *at, const char *behind, const char *end) {
    if (!behind)
        return (struct hx_token){ HX_TOKEN_OPEN, at, (size_t)(end - at) };
    return (struct hx_token){ kind, at, (size_t)(behind - at) };
}

static struct hx_token word_at(const char *at, const char *end) {
    const char *p = at;
    while (p < end && (in_tag(*p) || *p == '$'))
        p++;
    if (p - at == 1 && (*at == 'e' || *at == 'E') && p < end && *p == '\'')
        return token(HX_TOKEN_QUOTED, at, behind_escaped(p, end), end);
    return token(HX_TOKEN_WORD, at, p, end);
}

struct hx_token hx_token_at(const char *at, const char *end) {
    if (at >= end)
        return (struct hx_token){ HX_TOKEN_END, end, 0 };
    char c = *at, next = end - at >= 2 ? at[1] : '\0';
    if (is_space(c)) {
        const char *p = at;
        while (p < end && is_space(*p))
            p++;
        return token(HX_TOKEN_SPACE, at, p, end);
    }
    if (starts_word(c))
        return word_at(at, end);
    if (c == '-' && next == '-')
        return token(HX_TOKEN_COMMENT, at, behind_line(at, end), end);
    if (c == '/' && next == '*')
        return token(HX_TOKEN_COMMENT, at, behind_block(at, end), end);
    if (c == '\'' || c == '"')
        return token(HX_TOKEN_QUOTED, at, behind_quote(at, end), end);
    if (c == '$') {
        const char *behind = behind_dollars(at, end);
        if (behind != at)
            return token(HX_TOKEN_QUOTED, at, behind, end);
    }
    return token(HX_TOKEN_SIGN, at, at + 1, end);
}

bool hx_token_is(const struct hx_token *t, const char *word) {
    return t->kind == HX_TOKEN_WORD && t->size == strlen(word) && strncasecmp(t->text, word, t->size) == 0;
}
