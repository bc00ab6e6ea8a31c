/* The tokens of PostgreSQL's SQL, as far as one must know them to tell where a statement ends. Strings are read as
 * with standard_conforming_strings on, which the connection sets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum hx_token_kind {
    HX_TOKEN_END, /* nothing left */
    HX_TOKEN_SPACE,
    HX_TOKEN_COMMENT, /* "-- …" without its newline, or a whole nested block comment */
    HX_TOKEN_WORD,    /* key word or unquoted identifier */
    HX_TOKEN_QUOTED,  /* 'string', E'string', "identifier" or $tag$string$tag$ */
    HX_TOKEN_SIGN,    /* any other single byte, digits too */
    HX_TOKEN_OPEN,    /* a quote or block comment that nothing closes; reaches to the end */
};

struct hx_token {
    enum hx_token_kind kind;
    const char *text;
    size_t size;
};

/* The token that begins at `at`; `at` must not lie within one. */
struct hx_token hx_token_at(const char *at, const char *end);
/* True when the token is that word, in any case. */
bool hx_token_is(const struct hx_token *token, const char *word);
