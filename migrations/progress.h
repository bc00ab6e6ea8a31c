/* What a revision is at, on a terminal: one line on stderr, written over and over. */
#pragma once

#include "common/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct hx_progress;

/* what names the revision; it must outlive the progress. Never NULL, but silent where stderr is no terminal. */
struct hx_progress *hx_progress_new(struct hx_loop *loop, const char *what);
/* So many of its statements are done. */
void hx_progress_set(struct hx_progress *progress, size_t done, size_t total);
/* Takes the line away, before something else is printed. */
void hx_progress_clear(struct hx_progress *progress);
/* done: leaves a line with the time that it took. */
struct hx_progress *hx_progress_free(struct hx_progress *progress, bool done);
