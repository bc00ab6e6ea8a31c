#include "ctl/doctor.h"

#include "common/clock.h"
#include "ctl/command.h"
#include "ctl/output.h"
#include "ctl/table.h"

struct finding *doctor_find(struct doctor *d, const char *name, enum finding_state state, int64_t started_ns,
                            const char *mend, const char *fmt, ...) {
    struct hx_buf what = { 0 };
    va_list ap;
    va_start(ap, fmt);
    hx_buf_vprintf(&what, fmt, ap);
    va_end(ap);
    d->findings = hx_realloc(d->findings, (d->count + 1) * sizeof *d->findings);
    struct finding *finding = &d->findings[d->count++];
    *finding = (struct finding){ .name = name, .state = state, .ms = (double)(hx_mono_ns() - started_ns) / 1e6 };
    finding->what = hx_buf_take(&what);
    finding->mend = mend && state != FINDING_OK ? hx_strdup(mend) : NULL;
    return finding;
}

void doctor_add_queue(struct doctor *d, const char *queue) {
    for (size_t i = 0; i < d->queue_count; i++)
        if (hx_streq(d->queues[i], queue))
            return;
    d->queues = hx_realloc(d->queues, (d->queue_count + 1) * sizeof *d->queues);
    d->queues[d->queue_count++] = hx_strdup(queue);
}

void doctor_reset(struct doctor *d) {
    for (size_t i = 0; i < d->count; i++) {
        free(d->findings[i].what);
        free(d->findings[i].error);
        free(d->findings[i].mend);
    }
    for (size_t i = 0; i < d->queue_count; i++)
        free(d->queues[i]);
    free(d->findings);
    free(d->queues);
    *d = (struct doctor){ 0 };
}

bool doctor_well(const struct doctor *d) {
    for (size_t i = 0; i < d->count; i++)
        if (d->findings[i].state == FINDING_FAILURE)
            return false;
    return true;
}

static void put_text(struct hx_buf *out, const char *key, const char *text) {
    hx_buf_printf(out, ",\"%s\":", key);
    if (text)
        hx_buf_json_string(out, text, SIZE_MAX);
    else
        hx_buf_puts(out, "null");
}

void doctor_json(const struct doctor *d, struct hx_buf *out) {
    hx_buf_printf(out, "{\"ok\":%s,\"deps\":{", doctor_well(d) ? "true" : "false");
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->findings[i];
        bool failed = f->state == FINDING_FAILURE;
        hx_buf_printf(out, "%s\"%s\":{\"ok\":%s,\"ms\":%.2f", i ? "," : "", f->name, failed ? "false" : "true", f->ms);
        put_text(out, "error", !failed ? NULL : f->error ? f->error : f->what);
        put_text(out, "warning", f->state == FINDING_WARNING ? f->what : NULL);
        put_text(out, "detail", f->what);
        put_text(out, "mend", f->mend);
        hx_buf_putc(out, '}');
    }
    hx_buf_puts(out, "}}\n");
}

void doctor_render(const struct doctor *d, bool colored, struct hx_buf *out) {
    static const char *const states[] = { [FINDING_OK] = "ok", [FINDING_WARNING] = "warn", [FINDING_FAILURE] = "FAIL" };
    static const enum tint tints[] = { [FINDING_OK] = GOOD, [FINDING_WARNING] = CAREFUL, [FINDING_FAILURE] = BAD };
    _cleanup_table_ struct table t;
    table_init(&t, NULL, 4);
    for (size_t i = 0; i < d->count; i++) {
        const struct finding *f = &d->findings[i];
        table_put(&t, tints[f->state], "%s", states[f->state]);
        table_put(&t, PLAIN, "%s", f->name);
        table_put(&t, PLAIN, "%7.1f ms", f->ms);
        table_put(&t, PLAIN, "%s%s%s", f->what, f->mend ? "; to mend it: " : "", f->mend ? f->mend : "");
    }
    table_render(&t, 0, colored, out);
}

int ctl_doctor(struct ctl *c) {
    struct doctor d = { .ctl = c };
    probe_pg(&d);
    probe_kafka(&d);
    probe_fleet(&d);
    probe_others(&d);
    int code = doctor_well(&d) ? HX_EXIT_OK : HX_EXIT_NO;
    _cleanup_buf_ struct hx_buf out = { 0 };
    if (c->args.json)
        doctor_json(&d, &out);
    else
        doctor_render(&d, c->colored, &out);
    code = output_end(&out, code);
    doctor_reset(&d);
    return code;
}
