/* Handlers that are programs: each run is a process group of its own. */
#pragma once

#include "worker/run.h"

void exec_start(struct run *run, const struct hx_job *job);
/* TERM to the group, and KILL after jobs.kill_grace. run.stop says what the end will mean. */
void exec_stop(struct run *run);
/* KILL at once, to whatever can be found of it. */
void exec_kill(struct run *run);
/* Kills the group of a run that is still going (this process is about to end) and frees. NULL is fine. */
struct exec *exec_free(struct exec *exec);
/* The program running here whose processes bear the mark, or NULL. */
const struct run *exec_marked(const struct worker *w, uint64_t mark);
/* Whether a child of ours that is no handler came from this run, as far as that can be told. */
bool exec_left_by(pid_t child, const struct run *run);
/* Ends children that came to us from handlers which are no longer there: daemonised grandchildren. */
void exec_kill_strays(struct worker *w);
