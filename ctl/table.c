#include "ctl/table.h"

#include <string.h>

struct table_cell {
    char *text;
    size_t width; /* characters */
    enum tint tint;
};

static const char *const codes[] = {
    [PLAIN] = "", [GOOD] = "32", [CAREFUL] = "33", [BAD] = "31", [FAINT] = "2", [HEADING] = "1",
};

void table_init(struct table *t, const char *const *headers, size_t columns) {
    *t = (struct table){ .headers = headers, .columns = columns };
}

/* C1 controls, as UTF-8 has them: terminals obey those too. */
static bool is_c1(const unsigned char *c) {
    return c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;
}

void table_escape(struct hx_buf *out, const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '\n')
            hx_buf_puts(out, "\\n");
        else if (*c == '\t')
            hx_buf_putc(out, ' ');
        else if (*c < 0x20 || *c == 0x7f)
            hx_buf_printf(out, "\\x%02x", *c);
        else if (is_c1(c))
            hx_buf_printf(out, "\\x%02x", *++c);
        else
            hx_buf_putc(out, (char)*c);
    }
}

void table_tint(struct hx_buf *out, enum tint tint, bool colored, const char *text) {
    if (colored && *codes[tint])
        hx_buf_printf(out, "\033[%sm%s\033[0m", codes[tint], text);
    else
        hx_buf_puts(out, text);
}

enum tint table_status_tint(const char *status) {
    static const struct {
        const char *status;
        enum tint tint;
    } tints[] = { { "succeeded", GOOD }, { "failed", CAREFUL }, { "dead_letter", BAD }, { "canceled", FAINT } };
    for (size_t i = 0; i < HX_ARRAY_LEN(tints); i++)
        if (hx_streq(tints[i].status, status))
            return tints[i].tint;
    return PLAIN;
}

/* Characters, not bytes; wide and combining ones count as one each. */
static size_t width(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void table_put(struct table *t, enum tint tint, const char *fmt, ...) {
    _cleanup_buf_ struct hx_buf raw = { 0 };
    struct hx_buf text = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&raw, fmt, ap);
    va_end(ap);
    table_escape(&text, raw.len ? raw.data : "-");
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->cells = hx_realloc(t->cells, t->cap * sizeof *t->cells);
    }
    struct table_cell *cell = &t->cells[t->count++];
    *cell = (struct table_cell){ .text = hx_buf_take(&text), .tint = tint };
    cell->width = width(cell->text);
}

static bool right_aligned(const struct table *t, size_t column) {
    return t->headers && t->headers[column][0] == '>';
}

static const char *header(const struct table *t, size_t column) {
    return t->headers[column] + right_aligned(t, column);
}

static size_t column_width(const struct table *t, size_t column) {
    size_t widest = t->headers ? width(header(t, column)) : 0;
    for (size_t i = column; i < t->count; i += t->columns)
        widest = HX_MAX(widest, t->cells[i].width);
    return widest;
}

static void spaces(struct hx_buf *out, size_t n) {
    while (n-- > 0)
        hx_buf_putc(out, ' ');
}

static void render_cell(const struct table *t, size_t column, const struct table_cell *cell, size_t wanted,
                        bool colored, struct hx_buf *out) {
    size_t padding = wanted - cell->width;
    if (right_aligned(t, column))
        spaces(out, padding);
    table_tint(out, cell->tint, colored, cell->text);
    if (column + 1 == t->columns) {
        while (out->len && out->data[out->len - 1] == ' ')
            out->len--;
        hx_buf_putc(out, '\n');
        return;
    }
    spaces(out, 2 + (right_aligned(t, column) ? 0 : padding));
}

void table_render(const struct table *t, size_t indent, bool colored, struct hx_buf *out) {
    if (!t->count)
        return;
    _cleanup_free_ size_t *widths = hx_allocn(t->columns, sizeof *widths);
    for (size_t c = 0; c < t->columns; c++)
        widths[c] = column_width(t, c);
    if (t->headers)
        spaces(out, indent);
    for (size_t c = 0; t->headers && c < t->columns; c++) {
        struct table_cell cell = { .text = (char *)header(t, c), .width = width(header(t, c)), .tint = HEADING };
        render_cell(t, c, &cell, widths[c], colored, out);
    }
    for (size_t i = 0; i < t->count; i++) {
        if (i % t->columns == 0)
            spaces(out, indent);
        render_cell(t, i % t->columns, &t->cells[i], widths[i % t->columns], colored, out);
    }
}

void table_reset(struct table *t) {
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i].text);
    free(t->cells);
    *t = (struct table){ 0 };
}
