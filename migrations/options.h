/* What the command line of heimdex-migrate says. */
#pragma once

#include "lib/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The options that only some commands take; a command's row in command.c names those it does. */
enum hx_migrate_option {
    HX_OPT_CHAIN,
    HX_OPT_ALEMBIC,
    HX_OPT_SERVICES,
    HX_OPT_ONLY,
    HX_OPT_SQL,
    HX_OPT_PURGE,
    HX_OPT_MESSAGE,
    HX_OPT_REV_ID,
    HX_OPT_RANGE,
    HX_OPT_INDICATE_CURRENT,
    HX_OPT_APPLIED,
    HX_OPT_LOCK_TIMEOUT,
    HX_OPT_STATEMENT_TIMEOUT,
    HX_OPT_WAIT,
    HX_OPT_MAP_STATUS,
    HX_OPT_AUTOGENERATE,
    HX_OPT_DESTRUCTIVE,
    HX_OPT_AGAINST,
    HX_OPT_JSON,
    HX_OPT_VERBOSE,
    HX_OPTIONS
};

struct hx_migrate {
    const struct hx_config *config;
    unsigned given; /* bit 1 << enum hx_migrate_option: it stood on the command line */
    const char *chain, *alembic, *services, *only, *message, *rev_id, *range, *against;
    int64_t lock_timeout_ms, statement_timeout_ms; /* the second: 0 without end */
    struct hx_buf status_map;                      /* "old=new" pairs with commas between */
    bool verbose, json, sql, wait, purge, indicate_current, applied, autogenerate, destructive;
};
