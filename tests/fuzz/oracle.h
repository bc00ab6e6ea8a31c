/* jansson's own parser, as a second opinion about JSON. */
#pragma once

#include "lib/json/json.h"
#include "tests/fuzz/fuzz.h"

/* NULL: jansson refuses it (NUL bytes, which it skips between tokens, included). */
static inline json_t *oracle_parse(const char *text, size_t n) {
    if (n && memchr(text, 0, n))
        return NULL;
    return json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

/* An integer over 64 bits, which jansson refuses and PostgreSQL takes. */
static inline bool oracle_big_integer(const char *text, size_t n) {
    size_t digits = 0;
    for (size_t i = 0; i < n; i++) {
        digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
        if (digits >= 19)
            return true;
    }
    return false;
}
