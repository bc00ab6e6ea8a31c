/* One death: who, of what, and what it leaves behind. */
#pragma once

#include "common/evidence.h"
#include "lib/json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct death {
    struct death *next;  /* in a list of them */
    int64_t number;      /* set when it is queued for a scheduler */
    uint64_t generation; /* which process it was: the guard's key */
    const char *role;    /* static */
    int slot;
    pid_t pid;
    int wait_status;
    bool stood_still; /* we killed it because its pulse stood still */
    bool cut_short;   /* we killed it because its fleet's time was over: what it ran is not to blame */
    int64_t lived_ms;
    int evidence_fd;
    struct hx_evidence *evidence; /* NULL: it was never started */
    int32_t worker_id;            /* its row in the ledger, 0: none */
    bool cleared;                 /* nothing of it lives any more */
    const void *sent_to;          /* the scheduler's channel */
    char code[24];                /* "SIGSEGV", "EXIT_70" */
    char *message;                /* "was killed by SIGSEGV" */
    char *why;                    /* what it said itself before it ended, or the last line of its output; or NULL */
    json_t *detail;               /* signal or exit, core, lived_ms, resource use, stderr */
};

/* Fills in code, message, why and detail from who it was and how it ended. fatal: its own last words, or NULL; tail: the end of its
 * output. All are copied. */
void death_describe(struct death *d, const struct rusage *usage, const char *fatal, const char *tail, size_t tail_len);
/* True when it ended with this exit code. */
bool death_exited(const struct death *d, int code);
/* The message of lib/channel/channel.h for a scheduler: a new reference. */
json_t *death_message(const struct death *d);
struct death *death_free(struct death *d);
