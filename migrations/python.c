#include "migrations/python.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool starts_name(char c) {
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool in_name(char c) {
    return starts_name(c) || isdigit((unsigned char)c);
}

/* The bytes of a string's prefix, quotes not counted: 0..2; SIZE_MAX where no string begins. */
static size_t prefix_size(const char *at, const char *end) {
    size_t n = 0;
    while (n < 3 && at + n < end && strchr("rRuUbBfF", at[n]) && at[n])
        n++;
    return n < 3 && at + n < end && (at[n] == '"' || at[n] == '\'') ? n : SIZE_MAX;
}

static bool has_letter(const char *at, size_t n, char letter) {
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)at[i]) == letter)
            return true;
    return false;
}

/* How many quotes open the string: 1 or 3. */
static size_t quotes(const char *quote, const char *end) {
    return end - quote >= 3 && quote[1] == *quote && quote[2] == *quote ? 3 : 1;
}

/* Behind the string whose quotes begin at quote, NULL when nothing closes it. A backslash keeps its neighbour, in raw
 * strings too. */
static const char *behind_string(const char *quote, const char *end) {
    size_t n = quotes(quote, end);
    for (const char *p = quote + n; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == '\n' && n == 1)
            return NULL;
        else if (*p == *quote && (n == 1 || (end - p >= 3 && p[1] == *quote && p[2] == *quote)))
            return p + n;
    }
    return NULL;
}

static struct hx_python_token make(struct hx_python *py, enum hx_python_kind kind, const char *behind) {
    struct hx_python_token t = { .kind = kind, .text = py->at, .size = (size_t)(behind - py->at), .line = py->line };
    for (const char *p = py->at; p < behind; p++)
        py->line += *p == '\n';
    py->at = behind;
    return t;
}

static struct hx_python_token read_token(struct hx_python *py) {
    const char *at = py->at, *p = at;
    size_t prefix = prefix_size(at, py->end);
    if (prefix != SIZE_MAX) {
        const char *behind = behind_string(at + prefix, py->end);
        if (!behind)
            return make(py, HX_PYTHON_OPEN, py->end);
        return make(py, has_letter(at, prefix, 'f') ? HX_PYTHON_FSTRING : HX_PYTHON_STRING, behind);
    }
    if (starts_name(*at) || isdigit((unsigned char)*at)) {
        while (p < py->end && in_name(*p))
            p++;
        return make(py, starts_name(*at) ? HX_PYTHON_NAME : HX_PYTHON_NUMBER, p);
    }
    py->brackets += strchr("([{", *at) != NULL;
    py->brackets -= strchr(")]}", *at) != NULL && py->brackets > 0;
    return make(py, HX_PYTHON_SIGN, at + 1);
}

/* Steps over space, comments, and line ends that end nothing. True at the end of a logical line. */
static bool skip(struct hx_python *py) {
    while (py->at < py->end) {
        char c = *py->at;
        if (c == '#') {
            while (py->at < py->end && *py->at != '\n')
                py->at++;
        } else if (c == '\n') {
            if (py->brackets == 0 && py->line_started)
                return true;
            py->line++;
            py->at++;
        } else if (c == '\\' && py->end - py->at >= 2 && (py->at[1] == '\n' || py->at[1] == '\r')) {
            py->line++;
            py->at += py->at[1] == '\r' ? 3 : 2;
            if (py->at > py->end)
                py->at = py->end;
        } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
            py->at++;
        } else {
            return false;
        }
    }
    return false;
}

struct hx_python_token hx_python_next(struct hx_python *py) {
    if (skip(py)) {
        py->line_started = false;
        return make(py, HX_PYTHON_NEWLINE, py->at + 1);
    }
    if (py->at >= py->end) {
        bool was_started = py->line_started;
        py->line_started = false;
        return (struct hx_python_token){ .kind = was_started ? HX_PYTHON_NEWLINE : HX_PYTHON_END,
                                         .text = py->end,
                                         .line = py->line };
    }
    bool first = !py->line_started, indented = py->at > py->start && py->at[-1] != '\n';
    py->line_started = true;
    struct hx_python_token t = read_token(py);
    t.first = first;
    t.indented = first && indented;
    return t;
}

bool hx_python_is(const struct hx_python_token *token, const char *text) {
    bool plain = token->kind == HX_PYTHON_NAME || token->kind == HX_PYTHON_SIGN;
    return plain && token->size == strlen(text) && memcmp(token->text, text, token->size) == 0;
}

/* --- what a literal stands for ------------------------------------------------------------------------------ */

/* p: behind the backslash. Returns behind the escape. Numbers of characters are kept as they are written: no revision has
 * them, and for a message it does no harm. */
static const char *append_escape(const char *p, struct hx_buf *out) {
    static const char letters[] = "abfnrtv", meant[] = "\a\b\f\n\r\t\v";
    const char *letter = strchr(letters, *p);
    if (*p == '\n')
        return p + 1;
    if (letter && *p)
        hx_buf_putc(out, meant[letter - letters]);
    else if (strchr("\\'\"", *p))
        hx_buf_putc(out, *p);
    else
        hx_buf_append(out, p - 1, 2);
    return p + 1;
}

void hx_python_string(const struct hx_python_token *token, struct hx_buf *out) {
    const char *end = token->text + token->size;
    size_t prefix = prefix_size(token->text, end);
    const char *quote = token->text + prefix;
    size_t n = quotes(quote, end);
    bool raw = has_letter(token->text, prefix, 'r');
    const char *p = quote + n;
    for (end -= n; p < end;) {
        if (*p == '\\' && !raw && p + 1 < end)
            p = append_escape(p + 1, out);
        else
            hx_buf_putc(out, *p++);
    }
}
