#include "ctl/arguments.h"

#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/units.h"
#include "ctl/moment.h"
#include "lib/ledger/ledger.h"

#include <string.h>

static bool is_duration(const char *word) {
    int64_t ms;
    return hx_duration_parse(word, &ms) == 0;
}

const struct hx_option ctl_options[CTL_OPTIONS] = {
    [CTL_STATUS] = { "status", 's', "STATUS", "queued, running, succeeded, failed, canceled or dead_letter", NULL },
    [CTL_TYPE] = { "type", 't', "TYPE", "jobs of this type only", NULL },
    [CTL_ORG] = { "org", 0, "UUID", "jobs of this organisation only", NULL },
    [CTL_SINCE] = { "since", 0, "TIME", "not before TIME: RFC 3339, or a duration ago, like 2h", NULL },
    [CTL_UNTIL] = { "until", 0, "TIME", "before TIME: RFC 3339, or a duration ago", NULL },
    [CTL_LIMIT] = { "limit", 'n', "N", "at most N", NULL },
    [CTL_JOB] = { "job", 'j', "ID", "events of this job only", NULL },
    [CTL_FOLLOW] = { "follow", 'f', NULL, "go on with new events as they come", NULL },
    [CTL_ERROR] = { "error", 'e', "CODE", "jobs that died of this error only", NULL },
    [CTL_DRY_RUN] = { "dry-run", 0, NULL, "say what would be done, and do nothing", NULL },
    [CTL_REASON] = { "reason", 'r', "TEXT", "why; it is kept in the jobs' events", NULL },
    [CTL_WAIT] = { "wait", 'w', "[D]", "wait until running jobs have stopped, at most D (30s)", is_duration },
    [CTL_JSON] = { "json", 0, NULL, "print one JSON document; one object a line with --follow", NULL },
};

void ctl_arguments_init(struct ctl_arguments *a) {
    *a = (struct ctl_arguments){ .status = -1, .since = HX_NO_TIME, .until = HX_NO_TIME, .wait_ms = -1 };
}

static int refuse(size_t option, const char *value, const char *must_be) {
    hx_complain("--%s: %s: must be %s", ctl_options[option].name, value, must_be);
    return HX_EXIT_USAGE;
}

static int take_status(const char *value, int *ret) {
    enum hx_status status;
    if (hx_status_parse(value, &status) < 0)
        return refuse(CTL_STATUS, value, ctl_options[CTL_STATUS].help);
    *ret = (int)status;
    return 0;
}

static int take_uuid(size_t option, const char *value, struct hx_uuid *ret) {
    return hx_uuid_parse(value, ret) < 0 ? refuse(option, value, "a UUID") : 0;
}

static int take_moment(size_t option, const char *value, int64_t *ret) {
    if (moment_parse(value, hx_wall_us(), ret) < 0)
        return refuse(option, value, "a time like 2026-11-21T07:29:48Z, or a duration ago, like 2h");
    return 0;
}

static int take_limit(const char *value, int32_t *ret) {
    int64_t n;
    if (hx_int_parse(value, 1, CTL_LIMIT_MAX, &n) < 0)
        return refuse(CTL_LIMIT, value, "a number from 1 to 1000000");
    *ret = (int32_t)n;
    return 0;
}

/* What people write here ends up in rows and events. */
static int take_text(size_t option, const char *value, size_t max, const char **ret) {
    size_t n = strlen(value);
    if (!n || n > max || !hx_utf8_valid(value, n)) {
        hx_complain("--%s: must be 1 to %zu bytes of UTF-8 text", ctl_options[option].name, max);
        return HX_EXIT_USAGE;
    }
    *ret = value;
    return 0;
}

static int take_wait(const char *value, struct ctl_arguments *a) {
    a->wait = true;
    if (value && hx_duration_parse(value, &a->wait_ms) < 0)
        return refuse(CTL_WAIT, value, "a duration, like 30s");
    return 0;
}

int ctl_take_option(size_t option, const char *value, void *user) {
    struct ctl_arguments *a = user;
    a->given |= CTL_BIT(option);
    switch ((enum ctl_option)option) {
    case CTL_STATUS: return take_status(value, &a->status);
    case CTL_TYPE: return take_text(option, value, 100, &a->type);
    case CTL_ORG: return take_uuid(option, value, &a->org);
    case CTL_SINCE: return take_moment(option, value, &a->since);
    case CTL_UNTIL: return take_moment(option, value, &a->until);
    case CTL_LIMIT: return take_limit(value, &a->limit);
    case CTL_JOB: return take_uuid(option, value, &a->job);
    case CTL_FOLLOW: a->follow = true; return 0;
    case CTL_ERROR: return take_text(option, value, 100, &a->error);
    case CTL_DRY_RUN: a->dry_run = true; return 0;
    case CTL_REASON: return take_text(option, value, 1000, &a->reason);
    case CTL_WAIT: return take_wait(value, a);
    case CTL_JSON: a->json = true; return 0;
    case CTL_OPTIONS: break;
    }
    return HX_EXIT_SOFTWARE;
}
