/* heimdexctl reload: what SIGHUP does, and what came of it. */
#include "common/log.h"
#include "ctl/command.h"
#include "ctl/control.h"
#include "ctl/output.h"
#include "ctl/row.h"

#include <errno.h>
#include <poll.h>

enum { TIMEOUT_MS = 5000, PAUSE_MS = 50 };

static int exit_code_of(int error) {
    return error == -EACCES ? HX_EXIT_NOT_PERMITTED : HX_EXIT_UNAVAILABLE;
}

/* 0 and the answer to a question about a reload, or an exit code that was complained of. */
static int ask(const struct ctl *c, const char *question, json_t **ret) {
    const char *path = hx_config_string(c->config, HX_SUPERVISOR_CONTROL_SOCKET);
    _cleanup_json_ json_t *answer = NULL;
    int r = control_ask(path, question, TIMEOUT_MS, &answer);
    if (r == 0 && !json_is_integer(json_object_get(answer, "reload")))
        r = -EPROTO; /* an older supervisor doesn't know the word */
    if (r < 0) {
        hx_complain("reload: %s: %s", path, control_trouble(r));
        return exit_code_of(r);
    }
    *ret = json_incref(answer);
    return 0;
}

static int await_outcome(const struct ctl *c, json_t **outcome) {
    int code = ask(c, "{\"op\":\"reload\"}", outcome);
    while (code == 0 && !row_bool(*outcome, "done")) {
        _cleanup_free_ char *question = hx_printf("{\"op\":\"reloaded\",\"reload\":%lld}",
                                                  (long long)json_integer_value(json_object_get(*outcome, "reload")));
        json_decref(HX_TAKE(*outcome));
        poll(NULL, 0, PAUSE_MS);
        code = ask(c, question, outcome);
    }
    return code;
}

int ctl_reload(struct ctl *c) {
    _cleanup_json_ json_t *outcome = NULL;
    int code = await_outcome(c, &outcome);
    if (code)
        return code;
    const char *message = row_string(outcome, "message");
    code = (int)json_integer_value(json_object_get(outcome, "code"));
    if (code) {
        hx_complain("reload: %s", message ? message : "refused");
        return code;
    }
    if (c->args.json)
        return output_json(json_pack("{s:s}", "reloaded", message ? message : ""), 0);
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_buf_printf(&out, "reloaded: %s\n", message ? message : "");
    return output_end(&out, 0);
}
