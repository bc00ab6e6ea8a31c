/* Secrets: from files first, then from the environment. */
#include "lib/config/read.h"
#include "lib/config/state.h"

#include "common/redact.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MAX ((size_t)1 << 20) /* systemd's own limit for a credential */

static const char *secret_root = "/secrets";

void hx_secret_set_root(const char *root) {
    secret_root = root ? root : "/secrets";
}

/* The trimmed content of a file. 0 and *ret (the caller frees), -ENOENT where there is none or it is empty, else -errno. */
static int read_secret(const char *path, char **ret) {
    _cleanup_buf_ struct hx_buf content = { 0 };
    int r = hx_config_read(path, SECRET_MAX, &content);
    if (r < 0)
        return r == -ENOTDIR ? -ENOENT : r;
    const char *start = content.data, *end = content.data + content.len;
    while (start < end && isspace((unsigned char)*start))
        start++;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    if (start == end)
        return -ENOENT;
    if (memchr(start, '\0', (size_t)(end - start)))
        return -EINVAL;
    *ret = hx_strndup(start, (size_t)(end - start));
    return 0;
}

/* Looks for a secret in systemd's credentials, then under the root. 1 and both outputs (the caller frees), or 0. A
 * file that is there and can't be read is passed over with a warning: people run tools on hosts whose secrets are
 * the fleet's alone. */
static int find_secret(struct hx_config *c, const char *name, char **ret_value, char **ret_where) {
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char *paths[] = {
        credentials && *credentials ? hx_printf("%s/%s", credentials, name) : NULL,
        hx_printf("%s/%s/%s", secret_root, name, name),
    };
    int found = 0;
    for (size_t i = 0; i < HX_ARRAY_LEN(paths); i++) {
        if (paths[i] && !found) {
            int r = read_secret(paths[i], ret_value);
            if (r == 0) {
                *ret_where = hx_printf("secret file %s", paths[i]);
                found = 1;
            } else if (r != -ENOENT) {
                hx_config_warn(c, "secret file %s: %s, ignoring", paths[i], hx_config_read_problem(r));
            }
        }
        free(paths[i]);
    }
    return found;
}

/* The broker's password is one property among others: it takes the place of "sasl.password=" in the list. */
static int set_property(struct hx_config *c, enum hx_key key, const char *secret, const char *where,
                        struct hx_config_error *e) {
    const struct hx_value *old = &c->values[key];
    const char **items = hx_config_own(c, hx_allocn(old->count + 1, sizeof *items));
    const char **wheres = hx_config_own(c, hx_allocn(old->count + 1, sizeof *wheres));
    size_t n = 0;
    for (size_t i = 0; i < old->count; i++) {
        if (hx_startswith(old->list[i], "sasl.password="))
            continue;
        wheres[n] = old->wheres[i];
        items[n++] = old->list[i];
    }
    wheres[n] = where;
    items[n++] = hx_config_own(c, hx_printf("sasl.password=%s", secret));
    _cleanup_free_ char *both =
        old->origin == HX_ORIGIN_DEFAULT ? hx_strdup(where) : hx_printf("%s, %s", old->where, where);
    return hx_value_set_list(c, key, items, wheres, n, HX_ORIGIN_SECRET, both, e);
}

/* NAME in capitals, '-' as '_': the variable that a secret without a file comes from. 1 and both outputs (the caller
 * frees), or 0. */
static int find_variable(const char *name, char **ret_value, char **ret_where) {
    _cleanup_free_ char *variable = hx_strdup(name);
    for (char *p = variable; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    const char *value = getenv(variable);
    if (!value || !*value)
        return 0;
    *ret_value = hx_strdup(value);
    *ret_where = hx_printf("environment %s", variable);
    return 1;
}

int hx_load_secrets(struct hx_config *c, struct hx_config_error *e) {
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_row *row = &hx_table[key];
        _cleanup_free_ char *value = NULL, *where = NULL;
        bool is_list = row->type == HX_TYPE_LIST;
        if (!row->secret_name)
            continue;
        /* Of the others the variable is their old name, which hx_load_environment knows. */
        if (!find_secret(c, row->secret_name, &value, &where) &&
            !(is_list && find_variable(row->secret_name, &value, &where)))
            continue;
        hx_redact_secret(value);
        int r = is_list ? set_property(c, (enum hx_key)key, value, where, e)
                        : hx_value_set(c, (enum hx_key)key, value, HX_ORIGIN_SECRET, where, e);
        if (r < 0)
            return r;
    }
    return 0;
}
