#include "lib/config/source.h"

#include "lib/config/read.h"
#include "lib/config/state.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INCLUDE_DEPTH 10
#define FILE_MAX ((size_t)16 << 20)

enum lexer { PLAIN, IN_STRING, IN_COMMENT };

void hx_source_reset(struct hx_source *s) {
    for (size_t i = 0; i < s->file_count; i++)
        free(s->files[i]);
    while (s->depth > 0)
        if (--s->depth < HX_ARRAY_LEN(s->scopes))
            free(s->scopes[s->depth]);
    free(s->files);
    free(s->lines);
    free(s->name);
    hx_buf_reset(&s->text);
    *s = (struct hx_source){ 0 };
}

struct hx_source_line hx_source_where(const struct hx_source *s, unsigned n) {
    if (s->line_count == 0)
        return (struct hx_source_line){ s->file_count ? s->files[0] : "", 1 };
    if (n < 1)
        n = 1;
    return s->lines[HX_MIN((size_t)n, s->line_count) - 1];
}

static void push_line(struct hx_source *s, const char *file, unsigned line) {
    if (s->line_count == s->line_room) {
        s->line_room = s->line_room ? s->line_room * 2 : 128;
        s->lines = hx_realloc(s->lines, s->line_room * sizeof *s->lines);
    }
    s->lines[s->line_count++] = (struct hx_source_line){ file, line };
}

/* "worker.slots" of the setting being read, as far as names tell. */
static void append_path(const struct hx_source *s, struct hx_buf *out) {
    for (size_t i = 0; i < s->depth && i < HX_ARRAY_LEN(s->scopes); i++)
        hx_buf_printf(out, "%s.", s->scopes[i]);
    hx_buf_puts(out, s->name ? s->name : "number");
}

/* libconfig 1.5 takes what fits no int modulo 2^32. So the text decides: an int, or with L behind it 64 bits. */
static int check_number(const struct hx_source *s, const char *token, size_t n, const char *file, unsigned line,
                        struct hx_config_error *e) {
    _cleanup_free_ char *text = hx_strndup(token, n);
    const char *digits = text + strspn(text, "+-");
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    if (!hex && strpbrk(digits, ".eE"))
        return 0; /* a fraction, which is never an integer's value */
    char *suffix;
    errno = 0;
    long long value = strtoll(text, &suffix, hex ? 16 : 10);
    bool wide = *suffix == 'L';
    if (errno == 0 && (wide || (value >= INT32_MIN && value <= INT32_MAX)))
        return 0;
    _cleanup_buf_ struct hx_buf path = { 0 };
    append_path(s, &path);
    return hx_config_fail(e, -EINVAL, "%s:%u: Invalid %s: %s (must be a number of %s)", file, line, path.data, text,
                          wide ? "64 bits" : "32 bits, or of 64 bits with L behind it");
}

static void open_scope(struct hx_source *s) {
    if (s->depth < HX_ARRAY_LEN(s->scopes))
        s->scopes[s->depth] = hx_strdup(s->name ? s->name : "");
    s->depth++;
}

static void close_scope(struct hx_source *s) {
    if (s->depth == 0 || --s->depth >= HX_ARRAY_LEN(s->scopes))
        return;
    free(s->name);
    s->name = HX_TAKE(s->scopes[s->depth]);
}

/* Moves over one token outside strings and comments. The characters it took, or -EINVAL. */
static int scan_plain(struct hx_source *s, const char *p, const char *end, const char *file, unsigned line,
                      enum lexer *lexer, struct hx_config_error *e) {
    size_t n = 1, left = (size_t)(end - p);
    if (*p == '#' || (left > 1 && p[0] == '/' && p[1] == '/'))
        return (int)left;
    if (left > 1 && p[0] == '/' && p[1] == '*') {
        *lexer = IN_COMMENT;
        return 2;
    }
    if (*p == '"')
        *lexer = IN_STRING;
    if (*p == '{')
        open_scope(s);
    if (*p == '}')
        close_scope(s);
    if (isalpha((unsigned char)*p) || *p == '*') {
        while (n < left && (isalnum((unsigned char)p[n]) || strchr("-_*", p[n])))
            n++;
        free(s->name);
        s->name = hx_strndup(p, n);
    } else if (isdigit((unsigned char)*p) || strchr("+-.", *p)) {
        while (n < left && (isalnum((unsigned char)p[n]) || strchr("+-.", p[n])))
            n++;
        int r = check_number(s, p, n, file, line, e);
        if (r < 0)
            return r;
    }
    return (int)n;
}

static int scan_line(struct hx_source *s, const char *p, const char *end, const char *file, unsigned line,
                     enum lexer *lexer, struct hx_config_error *e) {
    while (p < end) {
        size_t left = (size_t)(end - p);
        if (*lexer == IN_COMMENT) {
            const char *close = memmem(p, left, "*/", 2);
            p = close ? close + 2 : end;
            *lexer = close ? PLAIN : IN_COMMENT;
        } else if (*lexer == IN_STRING) {
            if (left >= 4 && memcmp(p, "\\x00", 4) == 0)
                return hx_config_fail(e, -EINVAL, "%s:%u: a string can't hold \\x00", file, line);
            if (*p == '"')
                *lexer = PLAIN;
            p += *p == '\\' && left > 1 ? 2 : 1;
        } else {
            int n = scan_plain(s, p, end, file, line, lexer, e);
            if (n < 0)
                return n;
            p += n;
        }
    }
    return 0;
}

/* `@include "FILE"` at the start of a line, as libconfig has it: *ret is FILE (the caller frees), else NULL. */
static int parse_include(const char *p, const char *end, const char *file, unsigned line, char **ret,
                         struct hx_config_error *e) {
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (end - p < 8 || memcmp(p, "@include", 8) != 0)
        return 0;
    p += 8;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *close = p < end && *p == '"' ? memchr(p + 1, '"', (size_t)(end - p - 1)) : NULL;
    if (!close || close == p + 1)
        return hx_config_fail(e, -EINVAL, "%s:%u: @include without a \"FILE\"", file, line);
    const char *rest = close + 1;
    while (rest < end && (isspace((unsigned char)*rest) || *rest == ';'))
        rest++;
    if (rest < end && *rest != '#' && *rest != '/')
        return hx_config_fail(e, -EINVAL, "%s:%u: more text behind @include \"FILE\"", file, line);
    *ret = hx_strndup(p + 1, (size_t)(close - p - 1));
    return 0;
}

static int read_file(struct hx_source *s, const char *path, unsigned depth, struct hx_config_error *e);

/* A relative name is meant from the folder of the file that includes it. */
static int include(struct hx_source *s, const char *name, const char *file, unsigned line, unsigned depth,
                   struct hx_config_error *e) {
    const char *slash = strrchr(file, '/');
    _cleanup_free_ char *path =
        *name == '/' || !slash ? hx_strdup(name) : hx_printf("%.*s/%s", (int)(slash - file), file, name);
    if (depth >= INCLUDE_DEPTH)
        return hx_config_fail(e, -EINVAL, "%s:%u: %s: files include each other more than %d deep", file, line, path,
                              INCLUDE_DEPTH);
    int r = read_file(s, path, depth + 1, e);
    if (r < 0 && r != -EINVAL)
        return hx_config_fail(e, -EINVAL, "%s:%u: %s: %s", file, line, path, strerror(-r));
    return r;
}

static int read_lines(struct hx_source *s, const struct hx_buf *content, const char *file, unsigned depth,
                      struct hx_config_error *e) {
    enum lexer lexer = PLAIN;
    unsigned line = 0, opened = 0;
    const char *p = content->data, *end = content->data + content->len;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        _cleanup_free_ char *included = NULL;
        line++;
        int r = lexer == PLAIN ? parse_include(p, stop, file, line, &included, e) : 0;
        enum lexer before = lexer;
        if (r >= 0 && included)
            r = include(s, included, file, line, depth, e);
        else if (r >= 0)
            r = scan_line(s, p, stop, file, line, &lexer, e);
        if (r < 0)
            return r;
        if (!included) {
            push_line(s, file, line);
            hx_buf_append(&s->text, p, (size_t)(stop - p));
            hx_buf_putc(&s->text, '\n');
        }
        if (lexer != PLAIN && before != lexer)
            opened = line;
        p = newline ? newline + 1 : end;
    }
    if (lexer != PLAIN)
        return hx_config_fail(e, -EINVAL, "%s:%u: %s that doesn't end", file, opened,
                              lexer == IN_STRING ? "string" : "comment");
    return 0;
}

static int read_file(struct hx_source *s, const char *path, unsigned depth, struct hx_config_error *e) {
    _cleanup_buf_ struct hx_buf content = { 0 };
    int r = hx_config_read(path, FILE_MAX, &content);
    if (r < 0)
        return hx_config_fail(e, r, "%s: %s", path, hx_config_read_problem(r));
    s->files = hx_realloc(s->files, (s->file_count + 1) * sizeof *s->files);
    char *file = s->files[s->file_count++] = hx_strdup(path);
    if (content.len > 0 && memchr(content.data, '\0', content.len))
        return hx_config_fail(e, -EINVAL, "%s:1: not a text file", path);
    return read_lines(s, &content, file, depth, e);
}

int hx_source_read(struct hx_source *s, const char *path, struct hx_config_error *e) {
    int r = read_file(s, path, 0, e);
    hx_buf_puts(&s->text, ""); /* an empty file is a text too, not NULL */
    return r;
}
