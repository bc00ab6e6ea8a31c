/* Alembic's revision files, read without running them: the docstring, and the literals of revision, down_revision,
 * depends_on and branch_labels at the top level. */
#pragma once

#include "migrations/revision.h"

/* As hx_revision_parse. A value that isn't a literal can't be known without running the file: -EINVAL. */
int hx_alembic_parse(const char *path, const char *text, size_t n, struct hx_revision **ret,
                     struct hx_problems *problems);
