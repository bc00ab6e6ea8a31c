#include "lib/json/plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The highest bit of each byte that is zero, and maybe of some behind the first such. */
static uint64_t zeros(uint64_t word) {
    return (word - EACH(1)) & ~word & EACH(0x80);
}

static bool all_plain(uint64_t word) {
    uint64_t control = (word - EACH(0x20)) & ~word, odd = word | control;
    return ((odd & EACH(0x80)) | zeros(word ^ EACH('"')) | zeros(word ^ EACH('\\'))) == 0;
}

size_t hx_json_plain(const char *text, size_t n) {
    size_t at = 0;
    for (uint64_t word; n - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, text + at, sizeof(word));
        if (!all_plain(word))
            break;
    }
    for (unsigned char c; at < n; at++) {
        c = (unsigned char)text[at];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return at;
}
