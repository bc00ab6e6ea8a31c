/* doctor: the supervisor's control socket. */
#include "common/clock.h"
#include "ctl/control.h"
#include "ctl/doctor.h"
#include "ctl/row.h"

#include <errno.h>

enum { TIMEOUT_MS = 1000 };

static const char *advice_for(int error) {
    switch (error) {
    case -ENOENT:
    case -ECONNREFUSED: return "systemctl start heimdex-supervisor";
    case -EACCES: return "sudo heimdexctl doctor, or join the group heimdex";
    case -ETIMEDOUT: return "systemctl restart heimdex-supervisor";
    default: return "journalctl -u heimdex-supervisor";
    }
}

static void find_answer(struct doctor *d, int64_t started, const json_t *answer) {
    const char *status = row_string(answer, "status"), *error = row_string(answer, "error");
    if (row_bool(answer, "ready"))
        doctor_find(d, "fleet", FINDING_OK, started, NULL, "%s", status ? status : "ready");
    else
        doctor_find(d, "fleet", FINDING_FAILURE, started, "journalctl -u heimdex-supervisor", "%s",
                    status  ? status
                    : error ? error
                            : control_trouble(-EPROTO));
}

void probe_fleet(struct doctor *d) {
    const char *path = hx_config_string(d->ctl->config, HX_SUPERVISOR_CONTROL_SOCKET);
    int64_t started = hx_mono_ns();
    _cleanup_json_ json_t *answer = NULL;
    int r = control_ask(path, "{\"op\":\"status\"}", TIMEOUT_MS, &answer);
    if (r < 0)
        doctor_find(d, "fleet", FINDING_FAILURE, started, advice_for(r), "%s: %s%s", path, control_trouble(r),
                    r == -ETIMEDOUT ? " within a second" : "");
    else
        find_answer(d, started, answer);
}
