#include "worker/story.h"

#include "worker/exec.h"

#include <stdlib.h>

/* journald takes 10,000 lines in 30 s from a service, of which a fleet has several workers, and handlers more to say. */
enum { TOLD_AT_ONCE = 50, TOLD_A_SECOND = 5 };

static int by_id(const void *key, const void *element) {
    return hx_uuid_cmp(key, &((const struct candidate *)element)->id);
}

static const struct hx_in_flight *record_of(const struct run *run, const struct batch *batch) {
    const struct candidate *c = batch ? bsearch(&run->id, batch->v, batch->n, sizeof *batch->v, by_id) : NULL;
    return c ? c->record : NULL;
}

void story_claimed(struct run *run, const struct batch *batch) {
    static struct hx_allowance allowance = { .burst = TOLD_AT_ONCE, .per_second = TOLD_A_SECOND };
    if (!hx_log_enabled(HX_LOG_INFO) || !hx_allowance_take(&allowance, hx_mono_ms()))
        return;
    run->told = true;
    const struct hx_in_flight *record = record_of(run, batch);
    struct hx_log_ctx ctx = *run_event(run, "job.claimed");
    if (record)
        hx_progress_place(record, &ctx.topic, &ctx.partition, &ctx.offset);
    hx_info(&ctx, "claimed, announced by %s", record ? ctx.topic : "PostgreSQL");
}

void story_ended(struct run *run) {
    const struct hx_outcome *o = &run->outcome;
    if (!run->told && !run->exec)
        return;
    bool dead = o->status == HX_DEAD_LETTER;
    struct hx_log_ctx ctx = *run_event(run, dead ? "job.dead_letter" : "job.ended");
    ctx.error_code = o->code;
    int64_t ran_ms = run->started_us ? (hx_wall_us() - run->started_us) / 1000 : 0;
    hx_log(dead      ? HX_LOG_WARNING
           : o->code ? HX_LOG_NOTICE
                     : HX_LOG_INFO,
           &ctx, "%s after %lld ms%s%s", hx_status_name(o->status), (long long)ran_ms, o->code ? ": " : "",
           o->message ? o->message : "");
}
