/* Where a batch's lines come from: a file, which is read as fast as it is needed, or a pipe, terminal or socket, whose lines come
 * when they come and must not wait for more. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input;

enum input_result {
    INPUT_LINE, /* a line */
    INPUT_LONG, /* a line over the limit, which is not kept */
    INPUT_MORE, /* no whole line is here: input_fill */
    INPUT_END,
};

/* path "-" is standard input. max_line: what a line may have. 0 or -errno. */
int input_open(const char *path, size_t max_line, struct input **ret);
struct input *input_free(struct input *in); /* NULL is fine; returns NULL */

/* True where reading may have to wait for a writer: then input_fill only when input_fd is readable. */
bool input_is_live(const struct input *in);
int input_fd(const struct input *in);

/* The next line, without its end; *ret_text is valid until the next call of input_fill. *ret_number counts from 1. */
enum input_result input_line(struct input *in, const char **ret_text, size_t *ret_n, uint64_t *ret_number);
/* Reads once. 0 or -errno (-EISDIR …). */
int input_fill(struct input *in);

/* How much of a file is used up, 0 to 1; -1 where that can't be known. */
double input_share(const struct input *in);
