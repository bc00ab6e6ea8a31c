/* The schema that this build works with. */
#pragma once

/* The id of the last revision of migrations/versions, which alembic_version must name. A literal. */
const char *hx_schema_head(void);
/* Why a database at the revision found (NULL: none) won't do, and the command that mends it: found isn't the head. The
 * caller frees. */
char *hx_schema_complaint(const char *found);
