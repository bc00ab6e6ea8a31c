/* --sql: the way from one position to another as a script for psql or a managed host's console. */
#pragma once

#include "common/text.h"
#include "migrations/site.h"

/* Appends what leads from one position to the other, each revision in a transaction of its own that ends unless the
 * database stands where it should. status_map: that of --map-status, or NULL. */
void hx_script_append(struct hx_buf *out, const struct hx_site *site, const char *status_map, size_t from, size_t to);
/* Appends what makes the version table say that the database stands at position. */
void hx_script_stamp(struct hx_buf *out, const struct hx_site *site, size_t position);
