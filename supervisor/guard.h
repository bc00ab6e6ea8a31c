/* The guard: a process of ours that outlives a supervisor killed by SIGKILL just long enough to end what that leaves behind. Workers die
 * with the supervisor (PDEATHSIG), their handlers don't. It holds the evidence of every child, and sees the end of its channel when the
 * supervisor is gone. One that stands still it sees by a dead child that stays: what that one left behind is ended likewise, before its
 * jobs run elsewhere. It ends nothing but what the supervisor would, and leaves it the dead and the evidence. */
#pragma once

#include "common/loop.h"
#include "supervisor/launch.h"

struct guard;

/* Starts it. It is started again when it dies; what it held is told again. on_gone: it has ended after guard_dismiss.
 * fleet: its mark (common/mark.h). cgroup_fd: of our own group, which stays the caller's, or -1. */
struct guard *guard_new(struct hx_loop *loop, const struct launch *launch, uint64_t fleet, int cgroup_fd,
                        void (*on_gone)(void *user), void *user);
struct guard *guard_free(struct guard *g);
/* What another guard would be started with; the one before needn't live on. */
void guard_set_launch(struct guard *g, const struct launch *launch);
/* A child has started: key is this process's, the descriptor is duplicated. still_ms: how long its pulse may stand still; it has a quarter
 * longer from the guard. */
void guard_hold(struct guard *g, uint64_t key, pid_t pid, int evidence_fd, int64_t still_ms);
/* Nothing of that child lives any more. */
void guard_drop(struct guard *g, uint64_t key);
/* Tells it to end without doing anything. guard_pid is 0 once it has. */
void guard_dismiss(struct guard *g);
pid_t guard_pid(const struct guard *g);

/* The guard's own main: what heimdex-supervisor --guard runs. Returns an exit code. */
int guard_main(int argc, char **argv);
