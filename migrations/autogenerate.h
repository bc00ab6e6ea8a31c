/* The statements that remove the drift between the schema wanted and the live one. */
#pragma once

#include "migrations/options.h"
#include "migrations/site.h"

/* Appends the statements of both directions. 0, or an exit code after a complaint. site->chain is loaded. */
int hx_autogenerate(const struct hx_migrate *options, struct hx_site *site, struct hx_buf *upgrade,
                    struct hx_buf *downgrade);
