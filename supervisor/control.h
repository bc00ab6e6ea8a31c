/* The control socket: a unix stream socket for root and the group heimdex. One JSON object a line each way. */
#pragma once

#include "common/loop.h"
#include "lib/json/json.h"

struct control;

struct control_error {
    char message[256]; /* "PATH: why" */
};

/* Answers one request: a new reference, an object. */
typedef json_t *(*control_cb)(const json_t *request, void *user);

/* Takes PATH.lock, replaces a stale socket, listens, and has systemd keep the socket while the service is restarted; makes the socket's directory where only that is missing. 0; -EWOULDBLOCK:
 * another supervisor has it; -ENAMETOOLONG; -errno of what failed; *reterr says it in words. */
int control_new(struct hx_loop *loop, const char *path, control_cb cb, void *user, struct control **ret,
                struct control_error *reterr);
/* Closes all, and removes the socket unless systemd keeps it. */
struct control *control_free(struct control *c);
