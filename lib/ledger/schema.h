/* The schema that this build works with. */
#pragma once

/* The id of the last revision of migrations/versions, which alembic_version must name. A literal. */
const char *hx_schema_head(void);
