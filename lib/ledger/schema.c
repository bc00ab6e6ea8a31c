#include "lib/ledger/schema.h"

/* tests/unit/migrations/test_schema.c compares it with the chain. */
const char *hx_schema_head(void) {
    return "8d2f6b0c4e17";
}
