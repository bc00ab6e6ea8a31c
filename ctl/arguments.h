/* The options of all commands, in one table. */
#pragma once

#include "common/uuid.h"
#include "lib/config/program.h"

#include <stdbool.h>
#include <stdint.h>

enum ctl_option {
    CTL_STATUS,
    CTL_TYPE,
    CTL_ORG,
    CTL_SINCE,
    CTL_UNTIL,
    CTL_LIMIT,
    CTL_JOB,
    CTL_FOLLOW,
    CTL_ERROR,
    CTL_DRY_RUN,
    CTL_REASON,
    CTL_WAIT,
    CTL_JSON,
    CTL_OPTIONS
};
#define CTL_LIMIT_MAX 1000000
#define CTL_BIT(option) (1u << (option))

extern const struct hx_option ctl_options[CTL_OPTIONS];

struct ctl_arguments {
    unsigned given; /* CTL_BIT of each that was there */
    bool json, follow, dry_run, wait;
    int status; /* enum hx_status, or -1 */
    const char *type, *error, *reason;
    struct hx_uuid org, job;
    int64_t since, until; /* Unix microseconds or HX_NO_TIME */
    int64_t wait_ms;      /* -1: --wait without a duration */
    int32_t limit;        /* 0: not given */
};
void ctl_arguments_init(struct ctl_arguments *a);
/* hx_option_cb; user is the struct ctl_arguments. Complains and returns HX_EXIT_USAGE, or 0. */
int ctl_take_option(size_t option, const char *value, void *user);
