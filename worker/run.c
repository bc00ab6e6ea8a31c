#include "worker/run.h"

#include "worker/alone.h"
#include "worker/cgroup.h"
#include "worker/exec.h"
#include "worker/mock.h"
#include "worker/outcome.h"
#include "worker/story.h"

#include <stdlib.h>
#include <string.h>

enum { TRACE_AT = 3, TRACE_LEN = 32 };

struct run *run_new(struct worker *w, struct claim *claim, const struct handler *handler, const struct hx_job *job) {
    struct run *run = hx_alloc(sizeof *run);
    run->worker = w;
    run->claim = claim;
    run->handler = handler;
    run->id = job->id;
    run->org_id = job->org_id;
    run->attempt = job->attempt;
    run->max_attempts = job->max_attempts;
    run->fence = job->fence;
    run->crash_count = job->crash_count;
    run->priority = job->priority;
    run->timeout_ms = job->timeout_ms == INT64_MIN ? handler->timeout_ms : job->timeout_ms;
    if (job->traceparent && strlen(job->traceparent) > TRACE_AT + TRACE_LEN) /* "00-ID-SPAN-01" */
        hx_strcopy(run->trace_id, TRACE_LEN + 1, job->traceparent + TRACE_AT);
    run->next = w->runs;
    if (run->next)
        run->next->prev = run;
    w->runs = run;
    w->run_count++;
    claim->left++;
    *(handler_builtin(handler) ? &w->builtin_running : &w->slots_running) += 1;
    return run;
}

/* The row goes with the transaction that completed the last run; where two transactions in flight shared a claim, neither could know
 * that, and the next deletes it. */
void claim_release(struct worker *w, struct claim *claim) {
    if (--claim->left)
        return;
    if (!claim->closing) {
        w->spent = hx_realloc(w->spent, (w->spent_count + 1) * sizeof *w->spent);
        w->spent[w->spent_count++] = claim->token;
    }
    free(claim);
}

void run_free(struct run *run) {
    struct worker *w = run->worker;
    if (run->prev)
        run->prev->next = run->next;
    else
        w->runs = run->next;
    if (run->next)
        run->next->prev = run->prev;
    w->run_count--;
    alone_drop(run);
    claim_release(w, run->claim);
    if (run->evidence)
        atomic_store_explicit(&run->evidence->state, HX_EVIDENCE_FREE, memory_order_release);
    hx_timer_free(run->timer);
    exec_free(run->exec);
    cgroup_free(run->cgroup);
    mock_free(run->mock);
    w->messages -= run->message_count;
    for (size_t i = 0; i < run->message_count; i++)
        free(run->messages[i]);
    free(run->messages);
    free(run->stop_why);
    free(run->code);
    free(run->text);
    free(run->detail);
    free(run);
}

static void out_of_time(void *user) {
    run_stop(user, STOP_TIMEOUT, "timeout");
}

void run_start(struct run *run, const struct hx_job *job) {
    struct worker *w = run->worker;
    if (!HX_FAIL("run.before_evidence"))
        run->evidence = hx_evidence_start(w->evidence, &run->id, run->fence, w->run_count);
    if (!run->evidence) { /* more runs than the supervisor can be told of: another time */
        outcome_released(run, "no room for evidence");
        run_end(run);
        return;
    }
    HX_FAIL_HERE("run.after_evidence");
    run->started_us = hx_wall_us();
    if (run->handler->kind == HANDLER_MOCK)
        mock_start(run, job);
    else
        exec_start(run, job);
    if (!run->ended && !run->timer) {
        run->timer = hx_timer_new(w->loop, out_of_time, run);
        hx_timer_set(run->timer, run->timeout_ms);
    }
}

void run_end(struct run *run) {
    struct worker *w = run->worker;
    HX_FAIL_HERE("run.ended");
    alone_drop(run);
    run->ended = true;
    story_ended(run);
    run->timer = hx_timer_free(run->timer);
    if (run->evidence)
        atomic_store_explicit(&run->evidence->state, HX_EVIDENCE_ENDED, memory_order_release);
    bool builtin = handler_builtin(run->handler);
    *(builtin ? &w->builtin_running : &w->slots_running) -= 1;
    w->clogged &= builtin;
    worker_take_turn(w, builtin);
    if (w->ended_tail)
        w->ended_tail->ended_next = run;
    else
        w->ended_head = run;
    w->ended_tail = run;
    w->ended_count++;
    HX_FAIL_HERE("run.before_complete");
}

/* It was kept back and never started: its attempt is given back. */
static void stop_held(struct run *run, enum stop stop, const char *why) {
    alone_drop(run);
    if (stop == STOP_CANCEL) {
        outcome_canceled(run, why);
        run->outcome.add_attempt = -1;
    } else {
        outcome_released(run, why);
    }
    run_end(run);
}

void run_stop(struct run *run, enum stop stop, const char *why) {
    bool stopping = run->stop != STOP_NONE;
    if (run->ended || (stopping && (stop != STOP_CANCEL || run->stop == STOP_CANCEL)))
        return;
    if (run->held) {
        stop_held(run, stop, why);
        return;
    }
    run->stop = stop;
    free(run->stop_why);
    run->stop_why = hx_strdup(why);
    if (stopping) /* its group has had TERM; a request to cancel decides all the same what the end means, or it would be lost */
        return;
    if (run->handler->kind == HANDLER_MOCK)
        mock_stop(run);
    else
        exec_stop(run);
}

void run_tell(struct run *run, char *detail, bool stage) {
    /* The newest message replaces its predecessor while nobody has sent that and it only moved the progress on. */
    if (run->message_count > run->message_sending && !stage && !run->last_is_stage) {
        free(run->messages[run->message_count - 1]);
        run->messages[run->message_count - 1] = detail;
        return;
    }
    run->messages = hx_realloc(run->messages, (run->message_count + 1) * sizeof *run->messages);
    run->messages[run->message_count++] = detail;
    run->worker->messages++;
    run->last_is_stage = stage;
}

const struct hx_log_ctx *run_ctx(struct run *run) {
    if (!run->ctx.job_id) {
        hx_uuid_format(&run->id, run->id_text);
        hx_uuid_format(&run->org_id, run->org_text);
        run->ctx = HX_LOG_CTX;
        run->ctx.job_id = run->id_text;
        run->ctx.org_id = run->org_text;
        run->ctx.job_type = run->handler->type;
        run->ctx.attempt = run->attempt;
        run->ctx.fence = run->fence;
        run->ctx.worker = run->worker->label;
        if (!run->trace_id[0])
            for (size_t i = 0; i < sizeof run->id.b; i++)
                snprintf(run->trace_id + 2 * i, 3, "%02x", run->id.b[i]);
        run->ctx.trace_id = run->trace_id;
    }
    return &run->ctx;
}

const struct hx_log_ctx *run_event(struct run *run, const char *event) {
    static struct hx_log_ctx ctx;
    ctx = *run_ctx(run);
    ctx.event = event;
    return &ctx;
}

struct run *run_find(struct worker *w, const struct hx_uuid *id) {
    for (struct run *run = w->runs; run; run = run->next)
        if (hx_uuid_eq(&run->id, id))
            return run;
    return NULL;
}
