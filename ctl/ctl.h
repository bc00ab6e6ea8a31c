/* What every command of heimdexctl gets to work with. A command is a function that returns the exit code; it has said what there
 * is to say by then. */
#pragma once

#include "common/exit_codes.h"
#include "ctl/arguments.h"
#include "lib/config/config.h"
#include "lib/pg/pg.h"

struct ctl {
    const struct hx_config *config;
    const struct ctl_command *command;
    struct ctl_arguments args;
    char *const *words; /* behind the command */
    int word_count;
    struct hx_loop *loop;
    struct hx_pg *pg;
    int64_t now_us; /* the database's clock at the last transaction; ours before the first: ages are counted from it */
    bool colored;
};
