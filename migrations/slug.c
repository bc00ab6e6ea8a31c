#include "migrations/slug.h"

#include <ctype.h>
#include <string.h>

#define SLUG_MAX 40

static bool in_word(unsigned char c) {
    return isalnum(c) || c == '_' || c >= 0x80;
}

char *hx_slug(const char *message) {
    struct hx_buf slug = { 0 };
    for (const char *at = message; *at;) {
        size_t n = 0;
        while (at[n] && in_word((unsigned char)at[n]))
            n++;
        if (n > 0 && slug.len > 0)
            hx_buf_putc(&slug, '_');
        for (size_t i = 0; i < n; i++)
            hx_buf_putc(&slug, (char)tolower((unsigned char)at[i]));
        at += n ? n : 1;
    }
    char *text = hx_buf_take(&slug);
    if (strlen(text) <= SLUG_MAX)
        return text;
    char cut[SLUG_MAX + 1];
    hx_strcopy(cut, sizeof cut, text);
    free(text);
    char *last = strrchr(cut, '_');
    if (last)
        *last = '\0';
    return hx_strdup(cut);
}
