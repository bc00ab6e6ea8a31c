/* What a child prints: forwarded to our own stderr, whole lines at a time, and the last of it that isn't its log kept as evidence of a
 * crash. */
#pragma once

#include "common/evidence.h"
#include "common/loop.h"

struct output;

/* *ret_write_fd is the child's end; the caller closes it after the start. The tail is kept in evidence too, which must live as long.
 * 0 or -errno. */
int output_new(struct hx_loop *loop, struct hx_evidence *evidence, struct output **ret, int *ret_write_fd);
/* Forwards what is still in the pipe and a last line without its end. Called once the child is dead. */
void output_finish(struct output *o);
/* The end of what it printed and did not log, redacted, at most HX_EVIDENCE_STDERR bytes; it may begin inside a line. */
const char *output_tail(const struct output *o, size_t *ret_len);
struct output *output_free(struct output *o);
