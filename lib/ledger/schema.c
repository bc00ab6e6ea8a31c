#include "lib/ledger/schema.h"

#include "common/text.h"
#include "schema_revisions.h"

/* tests/unit/migrations/test_schema.c compares it with the chain. */
const char *hx_schema_head(void) {
    return "c40f7d1e8a52";
}

static bool is_older(const char *found) {
    static const char *const known[] = { HX_SCHEMA_REVISIONS };
    for (size_t i = 0; i < HX_ARRAY_LEN(known); i++)
        if (hx_streq(known[i], found))
            return true;
    return false;
}

char *hx_schema_complaint(const char *found) {
    const char *head = hx_schema_head();
    if (!found || is_older(found))
        return hx_printf("the database's schema is at %s, this version needs %s: run heimdex-migrate upgrade head",
                         found ? found : "no revision", head);
    return hx_printf(
        "the database's schema is at %s, which this version doesn't know, it needs %s: install the version that "
        "made it, or with that run heimdex-migrate downgrade %s",
        found, head, head);
}
