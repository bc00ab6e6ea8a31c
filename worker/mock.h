/* The built-in handler mock_process: walks through extracting, transcribing, analyzing, indexing, and fails on demand. */
#pragma once

#include "worker/run.h"

/* The event detail of a success at the first attempt, shared by a whole batch; the caller frees. */
char *mock_plain_detail(const char *label);
void mock_start(struct run *run, const struct hx_job *job);
void mock_stop(struct run *run);
struct mock *mock_free(struct mock *mock);
