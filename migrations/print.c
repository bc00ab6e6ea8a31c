#include "migrations/print.h"

#include <stdio.h>
#include <string.h>

void hx_print_running(bool down, const char *from, const char *to, const char *message) {
    fprintf(stderr, "Running %s %s -> %s, %s\n", down ? "downgrade" : "upgrade", from ? from : "", to ? to : "",
            message);
}

static bool is_head(const struct hx_chain *chain, size_t index) {
    return index + 1 == hx_chain_count(chain);
}

static const char *parent_or_base(const struct hx_revision *revision) {
    return revision->parent ? revision->parent : "<base>";
}

void hx_print_short(struct hx_buf *out, const struct hx_chain *chain, size_t index) {
    hx_buf_printf(out, "%s%s\n", hx_chain_at(chain, index)->id, is_head(chain, index) ? " (head)" : "");
}

void hx_print_verbose(struct hx_buf *out, const struct hx_chain *chain, size_t index) {
    const struct hx_revision *r = hx_chain_at(chain, index);
    hx_buf_puts(out, "Rev: ");
    hx_print_short(out, chain, index);
    hx_buf_printf(out, "Parent: %s\nPath: %s\n\n    %s\n\n", parent_or_base(r), r->path, r->message);
}

void hx_print_history(struct hx_buf *out, const struct hx_chain *chain, bool verbose) {
    for (size_t i = hx_chain_count(chain); i-- > 0;) {
        const struct hx_revision *r = hx_chain_at(chain, i);
        if (verbose)
            hx_print_verbose(out, chain, i);
        else
            hx_buf_printf(out, "%s -> %s%s, %s\n", parent_or_base(r), r->id, is_head(chain, i) ? " (head)" : "",
                          r->message);
    }
}

/* --- JSON --------------------------------------------------------------------------------------------------- */

static void put_text(struct hx_buf *out, const char *key, const char *value) {
    hx_buf_printf(out, "\"%s\":", key);
    if (value)
        hx_buf_json_string(out, value, SIZE_MAX);
    else
        hx_buf_puts(out, "null");
}

static const char *truth(bool value) {
    return value ? "true" : "false";
}

static void put_revision(struct hx_buf *out, const struct hx_chain *chain, size_t index, size_t position) {
    const struct hx_revision *r = hx_chain_at(chain, index);
    hx_buf_putc(out, '{');
    put_text(out, "revision", r->id);
    hx_buf_putc(out, ',');
    put_text(out, "down_revision", r->parent);
    hx_buf_putc(out, ',');
    put_text(out, "message", r->message);
    hx_buf_putc(out, ',');
    put_text(out, "path", r->path);
    hx_buf_printf(out, ",\"head\":%s,\"applied\":%s}", truth(is_head(chain, index)),
                  position == HX_POSITION_UNKNOWN ? "null" : truth(index < position));
}

void hx_print_json(struct hx_buf *out, const struct hx_chain *chain, size_t top, size_t bottom, size_t position) {
    hx_buf_putc(out, '[');
    for (size_t i = top + 1; i-- > bottom;) {
        put_revision(out, chain, i, position);
        if (i > bottom)
            hx_buf_putc(out, ',');
    }
    hx_buf_puts(out, "]\n");
}

void hx_print_current_json(struct hx_buf *out, const struct hx_chain *chain, size_t position) {
    hx_buf_putc(out, '{');
    put_text(out, "revision", position ? hx_chain_at(chain, position - 1)->id : NULL);
    hx_buf_printf(out, ",\"head\":%s}\n", truth(position == hx_chain_count(chain)));
}
