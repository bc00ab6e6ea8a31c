#include "migrations/quote.h"

static void quote(struct hx_buf *out, const char *text, char mark) {
    hx_buf_putc(out, mark);
    for (const char *c = text; *c; c++) {
        if (*c == mark)
            hx_buf_putc(out, mark);
        hx_buf_putc(out, *c);
    }
    hx_buf_putc(out, mark);
}

char *hx_quote_name(const char *name) {
    struct hx_buf out = { 0 };
    quote(&out, name, '"');
    return hx_buf_take(&out);
}

void hx_quote_text(struct hx_buf *out, const char *text) {
    quote(out, text, '\'');
}
