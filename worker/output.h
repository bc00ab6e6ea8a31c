/* What a handler prints, line by line: one pipe of it. */
#pragma once

#include "common/loop.h"
#include "common/text.h"

struct output;

/* One line without its newline. cut: it was longer than max and only its beginning is here. */
typedef void (*output_cb)(const char *line, size_t n, bool cut, void *user);

/* Reads fd (taken over, made non-blocking) in the loop. */
struct output *output_new(struct hx_loop *loop, int fd, size_t max_line, output_cb cb, void *user);
/* Reads what is there now, without waiting; an unfinished last line counts as a line. For a process that has ended. */
void output_drain(struct output *o);
struct output *output_free(struct output *o); /* NULL is fine; returns NULL */
