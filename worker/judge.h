/* What the end of a program means for its run. */
#pragma once

#include "worker/message.h"
#include "worker/spent.h"

struct ending {
    int status; /* as waitpid gives it */
    const struct spent *spent;
    const struct message *said; /* the last result, error, snooze and cancel of its messages */
    const char *wrong;          /* why a message of it could not be read: the run fails for that; or "" */
};

/* Sets run.outcome. */
void judge(struct run *run, const struct ending *e);
