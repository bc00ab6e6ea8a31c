#include "worker/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is passed on from our own environment, where set. */
static const char *const passed_on[] = { "PATH", "HOME",   "USER",     "LOGNAME", "SHELL",
                                         "LANG", "LC_ALL", "LC_CTYPE", "TZ",      "TMPDIR" };

enum { CONTRACT = 9, VARIABLES = CONTRACT + 10 };

struct environment {
    char *v[VARIABLES + 1];
    size_t n;
};

static void set(struct environment *e, const char *name, const char *value) {
    e->v[e->n++] = hx_printf("%s=%s", name, value);
}

static void set_int(struct environment *e, const char *name, int value) {
    e->v[e->n++] = hx_printf("%s=%d", name, value);
}

/* W3C trace context. A job without one starts a trace whose id is the job's. */
static void set_trace(struct environment *e, struct run *run, const struct hx_job *job) {
    if (job->traceparent) {
        set(e, "TRACEPARENT", job->traceparent);
        return;
    }
    e->v[e->n++] =
        hx_printf("TRACEPARENT=00-%s-%016llx-01", run_ctx(run)->trace_id, (unsigned long long)(hx_random_u64() | 1));
}

struct environment *environment_new(struct run *run, const struct hx_job *job) {
    _Static_assert(HX_ARRAY_LEN(passed_on) + CONTRACT == VARIABLES, "room for each variable");
    struct environment *e = hx_alloc(sizeof *e);
    for (size_t i = 0; i < HX_ARRAY_LEN(passed_on); i++)
        if (getenv(passed_on[i]))
            set(e, passed_on[i], getenv(passed_on[i]));
    char id[HX_UUID_SIZE], org[HX_UUID_SIZE], deadline[HX_RFC3339_SIZE];
    hx_uuid_format(&run->id, id);
    hx_uuid_format(&run->org_id, org);
    hx_rfc3339_format(run->started_us + run->timeout_ms * 1000, deadline);
    set(e, "HEIMDEX_JOB_ID", id);
    set(e, "HEIMDEX_JOB_TYPE", run->handler->type);
    set(e, "HEIMDEX_ORG_ID", org);
    set_int(e, "HEIMDEX_ATTEMPT", run->attempt);
    set_int(e, "HEIMDEX_MAX_ATTEMPTS", run->max_attempts);
    set_int(e, "HEIMDEX_FENCE", run->fence);
    set(e, "HEIMDEX_DEADLINE", deadline);
    set_trace(e, run, job);
    /* By this a supervisor that starts finds what an earlier one left running (supervisor/leftovers.h). */
    if (run->worker->channel)
        set(e, "HEIMDEX_FLEET", hx_config_string(run->worker->config, HX_SUPERVISOR_CONTROL_SOCKET));
    return e;
}

const char *const *environment_vector(const struct environment *e) {
    return (const char *const *)e->v;
}

struct environment *environment_free(struct environment *e) {
    if (!e)
        return NULL;
    for (size_t i = 0; i < e->n; i++)
        free(e->v[i]);
    free(e);
    return NULL;
}
