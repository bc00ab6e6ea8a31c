/* Files that people name, as a whole. */
#pragma once

#include "common/text.h"

/* Appends the content of path. Never waits for whoever might write it: a pipe or a socket is no such file. 0, or a negative errno: EFBIG where it
 * is longer than max bytes, ESPIPE where it is a pipe. */
int hx_config_read(const char *path, size_t max, struct hx_buf *out);
/* What is wrong, in words, for a negative errno of it. */
const char *hx_config_read_problem(int r);
