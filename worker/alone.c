#include "worker/alone.h"

#include <stdlib.h>
#include <string.h>

/* The row, which the claim's result doesn't keep. */
struct held {
    struct hx_job job;
    char *payload, *traceparent;
    struct run *run;
    struct held *next;
};

bool alone_needed(const struct worker *w, const struct hx_job *job) {
    return job->crash_count && job->crash_count >= hx_config_int(w->config, HX_JOBS_MAX_CRASHES);
}

static void held_free(struct held *h) {
    free(h->payload);
    free(h->traceparent);
    free(h);
}

void alone_hold(struct run *run, const struct hx_job *job) {
    struct worker *w = run->worker;
    struct held *h = hx_alloc(sizeof *h);
    *h = (struct held){ .job = *job, .run = run };
    h->payload = hx_alloc(job->payload_len + 1);
    memcpy(h->payload, job->payload, job->payload_len);
    h->traceparent = job->traceparent ? hx_strdup(job->traceparent) : NULL;
    h->job.payload = h->payload;
    h->job.traceparent = h->traceparent;
    h->job.type = run->handler->type;
    run->held = h;
    struct held **end = &w->held;
    while (*end)
        end = &(*end)->next;
    *end = h;
    w->held_count++;
    struct hx_log_ctx ctx = *run_ctx(run);
    ctx.event = "job.alone";
    hx_warning(&ctx, "took down %d workers: it runs alone this time", job->crash_count);
}

void alone_drop(struct run *run) {
    struct worker *w = run->worker;
    if (w->alone == run)
        w->alone = NULL;
    if (!run->held)
        return;
    struct held **at = &w->held;
    while (*at != run->held)
        at = &(*at)->next;
    *at = run->held->next;
    w->held_count--;
    held_free(HX_TAKE(run->held));
}

void alone_step(struct worker *w) {
    if (w->alone || !w->held || !worker_lease_held(w) || w->builtin_claiming || w->slots_claiming || w->doubts ||
        w->builtin_running + w->slots_running > w->held_count)
        return;
    struct held *h = w->held;
    w->held = h->next;
    w->held_count--;
    struct run *run = w->alone = h->run;
    run->held = NULL;
    run_start(run, &h->job);
    held_free(h);
}

void alone_release(struct worker *w, const char *why) {
    while (w->held)
        run_stop(w->held->run, STOP_DRAIN, why);
}

bool alone_wanted(const struct worker *w) {
    return w->held || w->alone;
}
