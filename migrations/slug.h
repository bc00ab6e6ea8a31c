/* File names of revisions. */
#pragma once

#include "common/text.h"

/* The words of a message in lower case with underscores between, at most 40 bytes, cut between words, as Alembic does; ""
 * where it has none. The caller frees. */
char *hx_slug(const char *message);
