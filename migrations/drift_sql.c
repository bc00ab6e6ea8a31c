/* The statements that turn one schema into the other. */
#include "migrations/drift.h"

#include <string.h>
#include <strings.h>

/* Three passes: first goes what stands in the way of the rest, in the reverse of the order of making; then all is made; what
 * others may have depended on goes last. */
struct writer {
    struct hx_buf *out;
    bool destructive;
};

/* --- which changes lose something ----------------------------------------------------------------------------- */

/* Types between which a value either fits or the statement fails; between others a cast may silently lose a part. */
static int family(const char *type) {
    static const struct {
        const char *begins;
        int family;
    } known[] = {
        { "smallint", 1 }, { "integer", 1 }, { "bigint", 1 }, { "character varying", 2 }, { "text", 2 },
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(known); i++)
        if (hx_startswith(type, known[i].begins) && !strchr(type, '['))
            return known[i].family;
    return 0;
}

/* An enum is cast by way of its text: a value that has no label fails. */
static bool is_by_text(const struct hx_fact *type) {
    return type->make && strstr(type->make, "::text::");
}

static bool type_loses(const struct hx_fact *wanted, const struct hx_fact *live) {
    int from = family(live->value), to = family(wanted->value);
    bool from_text = from == 2 || is_by_text(live), to_text = to == 2 || is_by_text(wanted);
    return !(from && from == to) && !(from_text && to_text);
}

/* --- writing -------------------------------------------------------------------------------------------------- */

static void comment_out(struct hx_buf *out, const char *text) {
    for (const char *line = text; line;) {
        const char *newline = strchr(line, '\n');
        hx_buf_printf(out, "-- %.*s%s\n", newline ? (int)(newline - line) : (int)strlen(line), line,
                      newline ? "" : ";");
        line = newline ? newline + 1 : NULL;
    }
}

static void write_statement(const struct writer *w, const char *sql, bool lossy) {
    if (!lossy || w->destructive) {
        hx_buf_printf(w->out, "%s;\n", sql);
        return;
    }
    hx_buf_puts(w->out, "-- Loses what is there, so it is left to you (--destructive writes it out):\n");
    comment_out(w->out, sql);
}

static void write_remark(const struct writer *w, const struct hx_difference *d) {
    const struct hx_fact *fact = d->wanted ? d->wanted : d->live;
    hx_buf_printf(w->out, "-- No statement does it: %s %s: ", fact->kind, fact->object);
    hx_drift_describe(d, w->out);
    hx_buf_putc(w->out, '\n');
}

/* --- the passes ----------------------------------------------------------------------------------------------- */

static bool is_unexpected(const struct hx_difference *d) {
    return !d->wanted && d->told && !d->moves;
}

/* It is to be where it isn't, with what is in it. */
static bool changes_place(const struct hx_difference *d) {
    return d->moves || (d->wanted && d->live && d->wanted->attach);
}

static void write_views(const struct writer *w, const struct hx_difference *d) {
    if (d->wanted->is_type && d->live && d->live->views)
        hx_buf_printf(w->out, "-- In the way until dropped before it, and made again behind it: view %s\n",
                      d->live->views);
}

static void clear_the_way(const struct writer *w, const struct hx_drift *drift) {
    for (size_t i = drift->count; i-- > 0;) {
        const struct hx_difference *d = &drift->items[i];
        bool changed = d->wanted && d->live && d->live->replace;
        if (d->live && changes_place(d))
            write_statement(w, d->live->detach, false);
        if (d->live && d->live->unmake && (changed || (is_unexpected(d) && !d->live->lossy)))
            write_statement(w, d->live->unmake, false);
    }
}

static void make(const struct writer *w, const struct hx_drift *drift) {
    for (size_t i = 0; i < drift->count; i++) {
        const struct hx_difference *d = &drift->items[i];
        bool covered = !d->told && d->wanted && d->wanted->covered;
        if (!d->wanted || covered || d->moot || (d->wanted->minor && !d->told))
            continue;
        write_views(w, d);
        if (changes_place(d))
            write_statement(w, d->wanted->attach, false);
        else if (d->wanted->make)
            write_statement(w, d->wanted->make, d->wanted->is_type && d->live && type_loses(d->wanted, d->live));
        else
            write_remark(w, d);
    }
}

static void remove_the_rest(const struct writer *w, const struct hx_drift *drift) {
    for (size_t i = drift->count; i-- > 0;) {
        const struct hx_difference *d = &drift->items[i];
        if (is_unexpected(d) && !d->live->unmake)
            write_remark(w, d);
        else if (is_unexpected(d) && d->live->lossy)
            write_statement(w, d->live->unmake, true);
    }
}

void hx_drift_sql(const struct hx_drift *drift, bool destructive, struct hx_buf *out) {
    struct writer w = { out, destructive };
    clear_the_way(&w, drift);
    make(&w, drift);
    remove_the_rest(&w, drift);
}
