#include "producer/single.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "producer/session.h"
#include "producer/wait.h"

struct single {
    struct session session;
    bool settled, refused;
    struct answer answer;
};

/* The first line of the job's story; where there is no journal, there is none. */
static void note(const struct hx_new_job *job, const struct hx_uuid *id) {
    char id_text[HX_UUID_SIZE], org_text[HX_UUID_SIZE];
    struct hx_log_ctx ctx = HX_LOG_CTX;
    hx_uuid_format(id, id_text);
    hx_uuid_format(&job->org_id, org_text);
    ctx.event = "job.submitted";
    ctx.job_id = id_text;
    ctx.org_id = org_text;
    ctx.job_type = job->type;
    hx_log_note(&ctx, "submitted%s%s", job->requested_by ? " by " : "", job->requested_by ? job->requested_by : "");
}

static void on_settled(const struct batch *b, void *user) {
    struct single *one = user;
    if (b->n == 0)
        return; /* that was the job types */
    one->settled = true;
    one->answer = b->answers[0];
    if (one->answer.created)
        note(&b->jobs[0], &one->answer.id);
}

static void on_refused(uint64_t line, const char *why, void *user) {
    (void)line;
    struct single *one = user;
    one->refused = true;
    hx_complain("PostgreSQL: refuses the job: %s", why);
}

static int run(struct single *one) {
    const struct arguments *a = one->session.arguments;
    struct batch *batch = sender_take_spare(one->session.sender);
    *batch_next(batch) = a->job;
    batch_accept(batch, 1);
    sender_add(one->session.sender, batch);
    while (session_is_well(&one->session) && !one->settled && !one->refused)
        session_turn(&one->session);
    if (one->refused)
        return HX_EXIT_DATA;
    if (one->settled && !(a->wait && a->json)) { /* waiting ends with an object that has the id in it */
        session_print(&one->session, &one->answer);
        output_drain(one->session.output);
    }
    int r = session_complain(&one->session);
    return r == 0 && a->wait ? wait_run(&one->session, &one->answer) : r;
}

int single_run(const struct arguments *arguments) {
    struct single one = { 0 };
    struct session_callbacks callbacks = { .settled = on_settled, .refused = on_refused, .user = &one };
    int r = session_open(arguments, &callbacks, &one.session);
    if (r == 0)
        r = run(&one);
    return session_close(&one.session, r);
}
