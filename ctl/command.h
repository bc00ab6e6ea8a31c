/* The commands, in one table. */
#pragma once

#include "ctl/ctl.h"

struct ctl_command {
    const char *name;
    const char *words; /* what stands behind it: "ID...", or "" */
    int words_min, words_max;
    unsigned options; /* CTL_BIT of those it takes */
    const char *help;
    int (*run)(struct ctl *c);
};

/* The command that is called so, or NULL. */
const struct ctl_command *command_find(const char *name);
const char *command_nearest(const char *name);
/* Sets command and words from a command line's words, and checks them and the options. 0, or HX_EXIT_USAGE, complained of. */
int command_choose(struct ctl *c, char *const *words, int count);
/* The list of commands for --help. */
void command_help(struct hx_buf *out);

int ctl_status(struct ctl *c);
int ctl_jobs(struct ctl *c);
int ctl_job(struct ctl *c);
int ctl_events(struct ctl *c);
int ctl_workers(struct ctl *c);
int ctl_cancel(struct ctl *c);
int ctl_retry(struct ctl *c);
int ctl_redrive(struct ctl *c);
int ctl_pause(struct ctl *c);
int ctl_resume(struct ctl *c);
int ctl_reload(struct ctl *c);
int ctl_doctor(struct ctl *c);
