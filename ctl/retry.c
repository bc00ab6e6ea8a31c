/* heimdexctl retry. */
#include "ctl/command.h"
#include "ctl/operate.h"

static void judge(struct verdict *v) {
    v->code = HX_EXIT_NO;
    switch (v->was) {
    case HX_QUEUED: v->says = "is queued already"; break;
    case HX_SUCCEEDED: v->says = "succeeded; a finished job does not change"; break;
    case HX_RUNNING:
        v->code = v->stopping ? HX_EXIT_TRY_AGAIN : HX_EXIT_NO;
        v->says = v->stopping ? "is being stopped, try again" : "is running";
        break;
    default:
        v->code = HX_EXIT_OK;
        v->says = "queued again";
        break;
    }
}

int ctl_retry(struct ctl *c) {
    static const struct operation operation = {
        .name = "retry", .add = hx_ledger_retry, .stopping = true, .judge = judge
    };
    struct verdicts v;
    int code = verdicts_init(c, &v);
    if (!code)
        code = operate(c, &operation, &v);
    if (!code)
        code = verdicts_report(c, &v);
    verdicts_reset(&v);
    return code;
}
