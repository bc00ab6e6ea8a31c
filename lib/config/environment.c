#include "lib/config/state.h"

#include <stdlib.h>
#include <string.h>

/* HEIMDEX_* names that mean something else: never keys, never warned of. The handler contract's are here because a
 * handler may well start one of our tools. */
static const char *const reserved[] = {
    "HEIMDEX_CONFIG",  "HEIMDEX_KAFKA_PORT",   "HEIMDEX_JOB_ID",   "HEIMDEX_JOB_TYPE", "HEIMDEX_ORG_ID",
    "HEIMDEX_ATTEMPT", "HEIMDEX_MAX_ATTEMPTS", "HEIMDEX_FENCE",    "HEIMDEX_DEADLINE", "HEIMDEX_FLEET",
#ifdef HX_FAILPOINTS /* elsewhere whoever sets them is to be told that they do nothing */
    "HEIMDEX_FAIL",    "HEIMDEX_FAIL_ONCE",    "HEIMDEX_FAIL_LOG",
#endif
};

/* The name of the variable that sets the key in today's environment, or NULL. Empty variables count as unset. */
static const char *winner(const char *variable, const struct hx_row *row) {
    const char *own = getenv(variable), *old = row->old_name ? getenv(row->old_name) : NULL;
    if (old && *old && (row->old_name_wins || !own || !*own))
        return row->old_name;
    return own && *own ? variable : NULL;
}

static int load_key(struct hx_config *c, enum hx_key key, struct hx_config_error *e) {
    const struct hx_row *row = &hx_table[key];
    _cleanup_buf_ struct hx_buf variable = { 0 };
    hx_table_variable(key, &variable);
    const char *name = winner(variable.data, row);
    if (!name)
        return 0;
    _cleanup_free_ char *where = hx_printf("environment %s", name);
    enum hx_origin origin = name == row->old_name ? HX_ORIGIN_OLD_NAME : HX_ORIGIN_ENVIRONMENT;
    return hx_value_set(c, key, getenv(name), origin, where, e);
}

static bool is_known(const char *name) {
    for (size_t i = 0; i < HX_ARRAY_LEN(reserved); i++)
        if (hx_streq(name, reserved[i]))
            return true;
    for (int key = 0; key < HX_KEYS; key++) {
        _cleanup_buf_ struct hx_buf variable = { 0 };
        hx_table_variable((enum hx_key)key, &variable);
        if (hx_streq(name, variable.data))
            return true;
    }
    return false;
}

static void warn_unknown(struct hx_config *c, const char *name) {
    enum hx_key nearest = 0;
    unsigned least = UINT32_MAX;
    for (int key = 0; key < HX_KEYS; key++) {
        _cleanup_buf_ struct hx_buf variable = { 0 };
        hx_table_variable((enum hx_key)key, &variable);
        unsigned distance = hx_edit_distance(name, variable.data);
        if (distance < least) {
            least = distance;
            nearest = (enum hx_key)key;
        }
    }
    if (least > 4) {
        hx_config_warn(c, "environment %s: unknown, ignoring", name);
        return;
    }
    _cleanup_buf_ struct hx_buf variable = { 0 };
    hx_table_variable(nearest, &variable);
    hx_config_warn(c, "environment %s: unknown, ignoring; did you mean %s?", name, variable.data);
}

int hx_load_environment(struct hx_config *c, struct hx_config_error *e) {
    for (int key = 0; key < HX_KEYS; key++) {
        int r = load_key(c, (enum hx_key)key, e);
        if (r < 0)
            return r;
    }
    for (char **entry = environ; entry && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals || !equals[1] || !hx_startswith(*entry, "HEIMDEX_"))
            continue;
        _cleanup_free_ char *name = hx_strndup(*entry, (size_t)(equals - *entry));
        if (!is_known(name))
            warn_unknown(c, name);
    }
    return 0;
}
