/* Standard output: what is printed counts as done only when it got there. */
#pragma once

#include "common/text.h"
#include "lib/json/json.h"

#include <stdbool.h>

/* Colours: on a terminal, unless NO_COLOR says otherwise. */
bool output_colored(void);
/* Writes the text and forgets it. 0; HX_EXIT_UNAVAILABLE, complained of; or -EPIPE: whoever read has gone, which is no
 * complaint: `heimdexctl jobs | head`. */
int output_write(struct hx_buf *text);
/* The exit code for a command that ends with this text: code, unless writing fails. */
int output_end(struct hx_buf *text, int code);
/* The same with a JSON document and a line's end. Takes the reference. */
int output_json(json_t *document, int code);
