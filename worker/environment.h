/* A handler's environment: the contract's variables, a few of ours that programs need to run at all, and nothing secret. */
#pragma once

#include "worker/run.h"

struct environment;

struct environment *environment_new(struct run *run, const struct hx_job *job);
const char *const *environment_vector(const struct environment *e); /* NAME=value, NULL-terminated */
struct environment *environment_free(struct environment *e);
