#include "common/redact.h"

#include <ctype.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#define MASK "***"

/* Remembered values: a list that only grows, so that any thread may walk it without a lock. */
struct secret {
    struct secret *next;
    size_t len;
    char value[];
};

static struct secret *_Atomic secrets;

static size_t secret_at(const char *text) {
    size_t longest = 0;
    for (const struct secret *s = atomic_load_explicit(&secrets, memory_order_acquire); s; s = s->next)
        if (s->len > longest && strncmp(text, s->value, s->len) == 0)
            longest = s->len;
    return longest;
}

void hx_redact_secret(const char *value) {
    if (!value || strlen(value) < 4 || secret_at(value) == strlen(value))
        return;
    size_t len = strlen(value);
    struct secret *s = hx_alloc(sizeof(*s) + len + 1);
    s->len = len;
    memcpy(s->value, value, len + 1);
    s->next = atomic_load_explicit(&secrets, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&secrets, &s->next, s, memory_order_release, memory_order_relaxed))
        ;
}

/* Remembered values go first, over the whole text: a pattern that ends at a blank must not cut one of them in two. */
static void mask_secrets(struct hx_buf *out, const char *text) {
    const char *plain = text;
    while (*text) {
        size_t len = secret_at(text);
        if (len == 0) {
            text++;
            continue;
        }
        hx_buf_append(out, plain, (size_t)(text - plain));
        hx_buf_puts(out, MASK);
        text += len;
        plain = text;
    }
    hx_buf_append(out, plain, (size_t)(text - plain));
}

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Behind "://": where the user info ends, at the last '@' of the authority, or NULL. A password may hold an '@' that
 * nobody escaped. */
static const char *user_info_end(const char *p) {
    const char *at = NULL;
    for (; *p && !isspace((unsigned char)*p) && !strchr("/?#\"<>", *p); p++)
        if (*p == '@')
            at = p;
    return at;
}

/* Whether the name of a setting says that its value is a secret. */
static bool is_secret_name(const char *name, size_t len) {
    static const char *const words[] = { "password", "passwd",  "passphrase", "secret",
                                         "token",    "api_key", "apikey",     "authorization" };
    for (size_t w = 0; w < HX_ARRAY_LEN(words); w++) {
        size_t n = strlen(words[w]);
        for (size_t i = 0; i + n <= len; i++)
            if (strncasecmp(name + i, words[w], n) == 0)
                return true;
    }
    return false;
}

static size_t backslashes(const char *p) {
    return strspn(p, "\\");
}

static bool is_quote(char c) {
    return c == '"' || c == '\'';
}

/* Behind an opening quote with k backslashes before it (JSON inside a string of JSON has one, inside a string of that three): where
 * what closes it begins; or an outer string's quote that ends it sooner; or the text's end. One with a letter right behind it closes
 * nothing: somebody's password has an apostrophe. */
static const char *quoted_end(const char *p, char quote, size_t k) {
    for (; *p; p++) {
        size_t m = backslashes(p);
        if (p[m] == quote && m < k)
            return p;
        if (p[m] == quote && (m + 1) / (k + 1) % 2 == 1 && !isalnum((unsigned char)p[m + 1]))
            return p + m - k;
        p += p[m] ? m : m - 1;
    }
    return p;
}

/* Behind a secret's name: where its value starts, past `=` and blanks, or past `": ` if the name was quoted; or NULL. */
static const char *value_start(const char *p, bool quoted_name) {
    bool colon = quoted_name && p[backslashes(p)] == '"';
    if (colon)
        p += backslashes(p) + 1;
    while (is_blank(*p))
        p++;
    if (*p != '=' && !(colon && *p == ':'))
        return NULL;
    for (p++; is_blank(*p);)
        p++;
    return p;
}

/* p stands on the bracket that opens an array or an object: behind the one that closes it, or the text's end. */
static const char *nest_end(const char *p) {
    size_t depth = 0;
    for (; *p; p++) {
        size_t m = backslashes(p);
        if (is_quote(p[m])) {
            p = quoted_end(p + m + 1, p[m], m);
            if (!*p || backslashes(p) < m)
                return p;
            p += m;
        } else if (m) {
            p += m - 1;
        } else if (*p == '[' || *p == '{') {
            depth++;
        } else if ((*p == ']' || *p == '}') && --depth == 0) {
            return p + 1;
        }
    }
    return p;
}

/* A value without quotes ends at white space, at the quote of what it stands in, or where the next pair starts: "&name=". One
 * that merely holds an '&' or a ',' does not end there. */
static const char *bare_value_end(const char *p) {
    if (*p == '[' || *p == '{')
        return nest_end(p);
    for (; *p && !isspace((unsigned char)*p); p++) {
        size_t m = backslashes(p);
        if (p[m] == '"')
            break;
        if (m)
            p += m - 1;
        if (!strchr("&,;", *p))
            continue;
        const char *next = p + 1;
        while (is_name(*next) || is_blank(*next))
            next++;
        if (*next == '=' && next > p + 1)
            break;
    }
    return p;
}

/* Writes the mask in the value's place, in its quotes where it has some, and returns where the text goes on. */
static const char *mask_value(struct hx_buf *out, const char *p) {
    size_t k = backslashes(p);
    if (!is_quote(p[k])) {
        const char *end = bare_value_end(p);
        if (end > p)
            hx_buf_puts(out, MASK);
        return end;
    }
    const char *end = quoted_end(p + k + 1, p[k], k);
    hx_buf_append(out, p, k + 1);
    hx_buf_puts(out, MASK);
    return end; /* the closing quote is nobody's name and goes on as it is */
}

static void mask_patterns(struct hx_buf *out, const char *text) {
    const char *p = text;
    while (*p) {
        size_t name = 0;
        if (p == text || !is_name(p[-1]))
            while (is_name(p[name]))
                name++;
        const char *value = is_secret_name(p, name) ? value_start(p + name, p > text && p[-1] == '"') : NULL;
        const char *at = strncmp(p, "://", 3) == 0 ? user_info_end(p + 3) : NULL;
        if (value) {
            hx_buf_append(out, p, (size_t)(value - p));
            p = mask_value(out, value);
        } else if (at) {
            hx_buf_puts(out, "://" MASK);
            p = at;
        } else {
            size_t n = name ? name : 1;
            hx_buf_append(out, p, n);
            p += n;
        }
    }
}

void hx_redact(struct hx_buf *out, const char *text) {
    _cleanup_buf_ struct hx_buf known = { 0 };
    hx_buf_reserve(out, strlen(text));
    mask_secrets(&known, text);
    mask_patterns(out, known.data);
}

char *hx_redacted(const char *text) {
    struct hx_buf out = { 0 };
    hx_redact(&out, text);
    return hx_buf_take(&out);
}
