/* `status`: gathered into one document, which --json prints as it is and people get as text. */
#pragma once

#include "common/text.h"
#include "lib/json/json.h"

#include <stdint.h>

/* {"counts":{"queued":n,...},"types":[{"type","queue","paused","handled","counts":{...}}],"waiting":[{"type","queue","reason",
 * "count","oldest_due","paused","handled"}],"workers":[...],"stuck":{...}} */

/* Puts the counts of one type and status into the document's "counts" and "types". */
void status_count(json_t *document, const char *type, const char *status, int64_t count);
/* The entry of a type, made if missing. Borrowed. */
json_t *status_type(json_t *document, const char *type);
/* Sets "handled" of each type: is there a living worker that can run it? */
void status_handled(json_t *document);
/* A new document with nothing in it. */
json_t *status_new(void);

void status_render(const json_t *document, int64_t now_us, bool colored, struct hx_buf *out);
/* What should move and doesn't, a line each with the command that mends it; nothing when all is well (stuck.c). */
void stuck_render(const json_t *document, bool colored, struct hx_buf *out);
/* Why jobs wait for that reason, in words. */
const char *waiting_words(const char *reason, bool paused, bool handled);
