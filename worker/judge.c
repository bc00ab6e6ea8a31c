#include "worker/judge.h"

#include "common/process.h"
#include "common/units.h"
#include "worker/outcome.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static bool permanent_exit(int code) {
    return (code >= 64 && code <= 67) || code == 70 || (code >= 76 && code <= 78);
}

/* A program that gets no memory says so in ways of its own, if at all: whoever reads of its end should know that there was a limit. */
static void mention_limits(const struct run *run, const struct spent *spent, char *message, size_t size) {
    char max[HX_SIZE_SIZE];
    size_t n = strlen(message);
    if (spent->all.out_of_tasks) {
        snprintf(message + n, size - n, " (tasks_max %lld, it wanted more)", (long long)run->handler->tasks_max);
        n = strlen(message);
    }
    if (!run->handler->memory_max)
        return;
    hx_size_format(run->handler->memory_max, max);
    bool counted = spent->all.memory_peak >= 0;
    long long peak = counted ? spent->all.memory_peak / 1024 : spent->max_rss_kb;
    const char *bound = counted || spent->max_rss_known ? "" : "at most ";
    snprintf(message + n, size - n, " (memory_max %s, %s%lldM used)", max, bound, (peak + 1023) / 1024);
}

/* Why it died is known better than by the signal: the kernel keeps count. */
static const char *code_of_limit(const struct spent *spent) {
    return spent->all.out_of_memory ? "memory_max" : spent->all.out_of_tasks ? "tasks_max" : NULL;
}

static void judge_failure(struct run *run, const struct ending *e, const char *members) {
    int status = e->status;
    char message[160], code[32];
    struct failure f = { .retry_after_ms = e->said->retry_after_ms, .members = members };
    if (WIFSIGNALED(status)) {
        snprintf(code, sizeof code, "%s", hx_signal_name(WTERMSIG(status)));
        snprintf(message, sizeof message, "the handler died by %s", code);
        f.retry = RETRY_YES;
    } else {
        snprintf(code, sizeof code, "exit_%d", WEXITSTATUS(status));
        snprintf(message, sizeof message, "the handler exited with %d", WEXITSTATUS(status));
        f.retry = permanent_exit(WEXITSTATUS(status)) ? RETRY_NO : RETRY_YES;
    }
    if (code_of_limit(e->spent))
        snprintf(code, sizeof code, "%s", code_of_limit(e->spent));
    mention_limits(run, e->spent, message, sizeof message);
    if (e->said->retry != MESSAGE_RETRY_UNSAID)
        f.retry = e->said->retry == MESSAGE_RETRY_YES ? RETRY_YES : RETRY_NO;
    f.code = e->said->error_code ? e->said->error_code : e->said->error && !status ? "error" : code;
    f.message = e->said->error_message ? e->said->error_message : message;
    outcome_failure(run, &f);
}

/* The strongest reason first: what the fleet did, what the handler said, how it exited. */
void judge(struct run *run, const struct ending *e) {
    int status = e->status;
    char members[48];
    snprintf(members, sizeof members, "\"%s\":%d", WIFSIGNALED(status) ? "signal" : "exit_code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (run->stop == STOP_CANCEL)
        outcome_canceled(run, run->stop_why);
    else if (run->stop == STOP_DRAIN && !(clean && e->said->result)) /* an exit 0 at TERM is rarely the work done */
        outcome_cut_short(run, run->stop_why);
    else if (run->stop == STOP_TIMEOUT)
        outcome_failure(run, &(struct failure){ .code = "timeout",
                                                .message = "ran longer than its timeout",
                                                .retry_after_ms = -1,
                                                .members = members });
    else if (run->stop == STOP_TASKS)
        outcome_failure(run,
                        &(struct failure){
                            .code = "tasks_max", .message = run->stop_why, .retry_after_ms = -1, .members = members });
    else if (*e->wrong)
        outcome_failure(run, &(struct failure){
                                 .code = "bad_message", .message = e->wrong, .retry = RETRY_NO, .members = members });
    else if (!WIFSIGNALED(status) && e->said->cancel)
        outcome_canceled(run, e->said->cancel);
    else if (!WIFSIGNALED(status) && e->said->snooze_ms >= 0)
        outcome_snooze(run, e->said->snooze_ms);
    else if (clean && !e->said->error)
        outcome_success(run, e->said->result);
    else
        judge_failure(run, e, members);
}
