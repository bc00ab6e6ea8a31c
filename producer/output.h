/* Standard output that never makes the loop wait for its reader: what doesn't fit is kept and goes out when it does. */
#pragma once

#include "common/loop.h"
#include "common/text.h"

struct output;

struct output *output_new(struct hx_loop *loop, int fd);
/* What is still kept is lost. NULL is fine; returns NULL. */
struct output *output_free(struct output *out);
/* Append here, then output_flush. */
struct hx_buf *output_buffer(struct output *out);
/* Writes what can be written now, and the rest from the loop. */
void output_flush(struct output *out);
/* Bytes kept. */
size_t output_pending(const struct output *out);
/* 0, or the negative errno with which writing ended for good: -EPIPE, -ENOSPC … Nothing is kept from then on. */
int output_error(const struct output *out);
/* Turns the loop until all is written. 0 or -errno. */
int output_drain(struct output *out);
