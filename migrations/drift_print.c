/* How the differences of two schemas are told to people and programs. */
#include "migrations/drift.h"

#include <string.h>

#define VALUE_MAX 160 /* longer ones aren't for a line */

static bool is_short(const char *value) {
    return strlen(value) <= VALUE_MAX && !strchr(value, '\n');
}

static void describe_aspect(const char *aspect, const char *wanted, const char *live, struct hx_buf *out) {
    if (wanted && live && is_short(wanted) && is_short(live))
        hx_buf_printf(out, "%s%sis %s, wanted %s", aspect, *aspect ? " " : "", live, wanted);
    else if (wanted && live)
        hx_buf_printf(out, "%s%schanged", aspect, *aspect ? " " : "");
    else if (!*aspect)
        hx_buf_puts(out, wanted ? "missing" : "unexpected");
    else if (wanted)
        hx_buf_printf(out, *wanted ? "%s missing, wanted %s" : "%s missing", aspect, wanted);
    else
        hx_buf_printf(out, *live ? "%s is %s, wanted none" : "%s unexpected", aspect, live);
}

void hx_drift_describe(const struct hx_difference *d, struct hx_buf *out) {
    if (d->moves) {
        hx_buf_printf(out, d->wanted ? "detached, wanted %s" : "is %s, wanted detached",
                      d->wanted ? d->wanted->value : d->live->value);
        return;
    }
    const char *aspect = d->wanted ? d->wanted->aspect : d->live->aspect;
    describe_aspect(aspect, d->wanted ? d->wanted->value : NULL, d->live ? d->live->value : NULL, out);
}

void hx_drift_lines(const struct hx_drift *drift, struct hx_buf *out) {
    for (size_t i = 0; i < drift->count; i++) {
        const struct hx_difference *d = &drift->items[i];
        const struct hx_fact *fact = d->wanted ? d->wanted : d->live;
        if (!d->told)
            continue;
        hx_buf_printf(out, "%s %s: ", fact->kind, fact->object);
        hx_drift_describe(d, out);
        hx_buf_putc(out, '\n');
    }
}

void hx_drift_json(const struct hx_drift *drift, bool *first, struct hx_buf *out) {
    for (size_t i = 0; i < drift->count; i++) {
        const struct hx_difference *d = &drift->items[i];
        const struct hx_fact *fact = d->wanted ? d->wanted : d->live;
        if (!d->told)
            continue;
        _cleanup_buf_ struct hx_buf what = { 0 };
        hx_drift_describe(d, &what);
        hx_buf_puts(out, *first ? "{\"object\":" : ",{\"object\":");
        *first = false;
        hx_buf_json_string(out, fact->object, SIZE_MAX);
        hx_buf_puts(out, ",\"kind\":");
        hx_buf_json_string(out, fact->kind, SIZE_MAX);
        hx_buf_puts(out, ",\"difference\":");
        hx_buf_json_string(out, what.data, what.len);
        hx_buf_putc(out, '}');
    }
}
