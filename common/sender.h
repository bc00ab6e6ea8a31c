/* Who sent a signal: handlers are no operators, whatever runs under the same user. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct hx_sender {
    pid_t pid; /* 0: the kernel, or somebody outside our pid namespace */
    uid_t uid;
    bool certain; /* the kernel says so; what is sent with sigqueue or F_SETSIG bears what its sender likes */
};

/* The child of ours that the sender is or descends from; 0: it is a stranger. -ESRCH: it may be either, because it is gone, or
 * hidden from us. That only when it is of our own user, and we aren't root: anybody else is a stranger then. */
pid_t hx_sender_child(const struct hx_sender *sender);
/* The same for a supervisor's child, which takes no orders from what descends from its siblings either, only from the supervisor:
 * our parent, if the sender descends from that and not from us. */
pid_t hx_sender_kin(const struct hx_sender *sender);
/* True if kin, from one of the above, isn't 0; the warning is given. */
bool hx_sender_refused(const struct hx_sender *sender, int signo, pid_t kin);
