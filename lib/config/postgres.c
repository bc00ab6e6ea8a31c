/* What libpq is told: keywords and values, unless its own environment says otherwise. */
#include "lib/config/state.h"

#include <stdlib.h>

static bool is_set(const char *variable) {
    const char *value = getenv(variable);
    return value && *value;
}

/* True where libpq must find the value itself. A service (PGSERVICE) would lose to what we pass, PGPASSFILE too; but
 * the PG* variables win over our file, and what came from PG* variables reaches libpq without us. */
static bool left_to_libpq(enum hx_key key, const struct hx_value *value) {
    bool weak = value->origin == HX_ORIGIN_FILE || value->origin == HX_ORIGIN_OLD_NAME;
    if (weak && is_set("PGSERVICE"))
        return true;
    return key == HX_POSTGRES_PASSWORD && value->origin == HX_ORIGIN_FILE && is_set("PGPASSFILE");
}

void hx_postgres_collect(struct hx_config *c) {
    size_t n = 0;
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_value *value = &c->values[key];
        if (!hx_table[key].libpq || !value->text || left_to_libpq((enum hx_key)key, value))
            continue;
        c->keywords[n] = hx_table[key].libpq;
        c->keyword_values[n++] = value->text;
    }
    c->keywords[n] = c->keyword_values[n] = NULL;
}
