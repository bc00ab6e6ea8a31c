#include "migrations/print.h"

#include <stdio.h>
#include <string.h>

void hx_print_running(const char *verb, const char *from, const char *to, const char *message) {
    fprintf(stderr, "Running %s %s -> %s%s%s\n", verb, from ? from : "", to ? to : "", message ? ", " : "",
            message ? message : "");
}

static void put_list(struct hx_buf *out, char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        hx_buf_printf(out, "%s%s", i ? ", " : "", list[i]);
}

static void put_parents(struct hx_buf *out, const struct hx_revision *r) {
    if (r->parent_count == 0)
        hx_buf_puts(out, "<base>");
    put_list(out, r->parents, r->parent_count);
}

/* Alembic has them in another order where it is verbose. */
static void put_indicators(struct hx_buf *out, const struct hx_chain *chain, size_t index, const struct hx_marks *marks,
                           bool verbose) {
    static const char *const texts[] = { " (current)", " (branchpoint)", " (mergepoint)", " (current)" };
    bool current = marks && marks->current && marks->current[index];
    const bool shown[] = { current && !verbose, hx_chain_is_branchpoint(chain, index),
                           hx_chain_at(chain, index)->parent_count > 1, current && verbose };
    hx_buf_puts(out, hx_chain_is_head(chain, index) ? " (head)" : "");
    for (size_t i = 0; i < HX_ARRAY_LEN(texts); i++)
        hx_buf_puts(out, shown[i] ? texts[i] : "");
}

static void put_labels(struct hx_buf *out, const struct hx_revision *r) {
    if (r->label_count == 0)
        return;
    hx_buf_puts(out, " (");
    put_list(out, r->labels, r->label_count);
    hx_buf_putc(out, ')');
}

void hx_print_short(struct hx_buf *out, const struct hx_chain *chain, size_t index) {
    hx_buf_puts(out, hx_chain_at(chain, index)->id);
    put_labels(out, hx_chain_at(chain, index));
    hx_buf_puts(out, hx_chain_is_head(chain, index) ? " (head)\n" : "\n");
}

void hx_print_line(struct hx_buf *out, const struct hx_chain *chain, size_t index, const struct hx_marks *marks) {
    const struct hx_revision *r = hx_chain_at(chain, index);
    put_parents(out, r);
    if (r->depend_count) {
        hx_buf_puts(out, " (");
        put_list(out, r->depends, r->depend_count);
        hx_buf_putc(out, ')');
    }
    hx_buf_printf(out, " -> %s", r->id);
    put_labels(out, r);
    put_indicators(out, chain, index, marks, false);
    hx_buf_printf(out, ", %s\n", r->message);
}

static void put_children(struct hx_buf *out, const struct hx_chain *chain, const char *id) {
    size_t n = 0;
    for (size_t i = 0; i < hx_chain_count(chain); i++)
        for (size_t j = 0; j < hx_chain_at(chain, i)->parent_count; j++)
            if (hx_streq(hx_chain_at(chain, i)->parents[j], id))
                hx_buf_printf(out, "%s%s", n++ ? ", " : "", hx_chain_at(chain, i)->id);
}

static void put_indented(struct hx_buf *out, const char *text) {
    while (*text) {
        size_t n = strcspn(text, "\n");
        hx_buf_printf(out, "    %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void hx_print_verbose(struct hx_buf *out, const struct hx_chain *chain, size_t index, const struct hx_marks *marks) {
    const struct hx_revision *r = hx_chain_at(chain, index);
    hx_buf_printf(out, "Rev: %s", r->id);
    put_indicators(out, chain, index, marks, true);
    hx_buf_printf(out, "\n%s: ", r->parent_count > 1 ? "Merges" : "Parent");
    put_parents(out, r);
    hx_buf_putc(out, '\n');
    if (r->depend_count) {
        hx_buf_puts(out, "Also depends on: ");
        put_list(out, r->depends, r->depend_count);
        hx_buf_putc(out, '\n');
    }
    if (hx_chain_is_branchpoint(chain, index)) {
        hx_buf_puts(out, "Branches into: ");
        put_children(out, chain, r->id);
        hx_buf_putc(out, '\n');
    }
    if (r->label_count) {
        hx_buf_puts(out, "Branch names: ");
        put_list(out, r->labels, r->label_count);
        hx_buf_putc(out, '\n');
    }
    hx_buf_printf(out, "Path: %s\n\n", r->path);
    put_indented(out, r->text && *r->text ? r->text : r->message);
    hx_buf_putc(out, '\n');
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

static void put_down_revision(struct hx_buf *out, const struct hx_revision *r) {
    if (r->parent_count < 2) {
        put_text(out, "down_revision", r->parent);
        return;
    }
    hx_buf_puts(out, "\"down_revision\":[");
    for (size_t i = 0; i < r->parent_count; i++) {
        hx_buf_puts(out, i ? "," : "");
        hx_buf_json_string(out, r->parents[i], SIZE_MAX);
    }
    hx_buf_putc(out, ']');
}

static void put_revision(struct hx_buf *out, const struct hx_chain *chain, size_t index, const struct hx_marks *marks) {
    const struct hx_revision *r = hx_chain_at(chain, index);
    hx_buf_putc(out, '{');
    put_text(out, "revision", r->id);
    hx_buf_putc(out, ',');
    put_down_revision(out, r);
    hx_buf_putc(out, ',');
    put_text(out, "message", r->message);
    hx_buf_putc(out, ',');
    put_text(out, "path", r->path);
    hx_buf_printf(out, ",\"head\":%s,\"applied\":%s}", truth(hx_chain_is_head(chain, index)),
                  marks && marks->applied ? truth(marks->applied[index]) : "null");
}

void hx_print_json(struct hx_buf *out, const struct hx_chain *chain, const size_t *indexes, size_t n,
                   const struct hx_marks *marks) {
    hx_buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        hx_buf_puts(out, i ? "," : "");
        put_revision(out, chain, indexes[i], marks);
    }
    hx_buf_puts(out, "]\n");
}

void hx_print_current_json(struct hx_buf *out, const struct hx_chain *chain, size_t position) {
    hx_buf_putc(out, '{');
    put_text(out, "revision", position ? hx_chain_at(chain, position - 1)->id : NULL);
    hx_buf_printf(out, ",\"head\":%s}\n", truth(position == hx_chain_count(chain)));
}
