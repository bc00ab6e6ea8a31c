/* The bytes that most of a payload is made of. */
#pragma once

#include <stddef.h>

/* How many bytes from `text` on, n at most, are ASCII that stands for itself in a JSON string: up to the first quote, backslash,
 * control character below a space, or byte that is not ASCII. Eight at a time: a payload is scanned twice before it is sent, which is half of the client's work. */
size_t hx_json_plain(const char *text, size_t n);
