/* The command line. */
#pragma once

#include "lib/config/program.h"
#include "lib/ledger/ledger.h"

struct arguments {
    struct hx_config *config;
    struct hx_new_job job; /* of a single submission; strings lie in argv, the environment and payload */
    struct hx_buf payload;
    const char *batch;       /* FILE or "-"; NULL: a single submission */
    const char *traceparent; /* for all jobs, or NULL */
    bool skip_bad, json, wait;
    int64_t wait_ms; /* -1: as long as it takes */

    const char *payload_option; /* as given: JSON, @FILE or - */
    unsigned given;             /* bit per option */
};

/* -1 to go on, or the exit code to end with, after a complaint or a help text. */
int arguments_read(int argc, char **argv, struct arguments *ret);
void arguments_free(struct arguments *a);
