#include "lib/config/handler.h"
#include "lib/config/source.h"
#include "lib/config/state.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "FILE:LINE" of a setting; the caller frees. */
static char *where_of(const struct hx_source *s, const config_setting_t *setting) {
    struct hx_source_line at = hx_source_where(s, config_setting_source_line(setting));
    return hx_printf("%s:%u", at.file, at.line);
}

/* What stands there, for people. */
static void describe(const config_setting_t *setting, struct hx_buf *out) {
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64: hx_buf_printf(out, "%lld", config_setting_get_int64(setting)); break;
    case CONFIG_TYPE_FLOAT: hx_buf_printf(out, "%g", config_setting_get_float(setting)); break;
    case CONFIG_TYPE_BOOL: hx_buf_puts(out, config_setting_get_bool(setting) ? "true" : "false"); break;
    case CONFIG_TYPE_STRING: hx_buf_printf(out, "the string \"%.100s\"", config_setting_get_string(setting)); break;
    case CONFIG_TYPE_GROUP: hx_buf_puts(out, "a group"); break;
    default: hx_buf_puts(out, "a list"); break;
    }
}

static int fail_type(enum hx_key key, const config_setting_t *setting, const char *where, struct hx_config_error *e) {
    const struct hx_row *row = &hx_table[key];
    _cleanup_buf_ struct hx_buf got = { 0 }, expects = { 0 };
    describe(setting, &got);
    if (row->type == HX_TYPE_INT)
        hx_buf_puts(&expects, "an integer, ");
    if (row->type == HX_TYPE_ENUM)
        hx_buf_puts(&expects, "a string, ");
    hx_table_expects(row, &expects);
    return hx_value_fail(key, got.data, expects.data, where, e);
}

static int load_list(struct hx_config *c, enum hx_key key, const struct hx_source *s, config_setting_t *setting,
                     const char *where, struct hx_config_error *e) {
    size_t n = (size_t)config_setting_length(setting);
    _cleanup_free_ const char **items = hx_allocn(n + 1, sizeof *items), **wheres = hx_allocn(n + 1, sizeof *wheres);
    for (size_t i = 0; i < n; i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        wheres[i] = hx_config_own(c, where_of(s, element));
        if (config_setting_type(element) != CONFIG_TYPE_STRING)
            return fail_type(key, element, wheres[i], e);
        items[i] = config_setting_get_string(element);
    }
    return hx_value_set_list(c, key, items, wheres, n, HX_ORIGIN_FILE, where, e);
}

/* True where a setting of this type can be a value of the row. Integers go on as text, which value.c judges. */
static bool type_fits(const struct hx_row *row, int type) {
    bool integer = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
    switch (row->type) {
    case HX_TYPE_INT: return integer;
    case HX_TYPE_BOOL: return type == CONFIG_TYPE_BOOL || type == CONFIG_TYPE_STRING;
    case HX_TYPE_DURATION:
    case HX_TYPE_SIZE:
    case HX_TYPE_PORT: return integer || type == CONFIG_TYPE_STRING;
    case HX_TYPE_LIST: return type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST;
    case HX_TYPE_STRING:
    case HX_TYPE_ENUM: return type == CONFIG_TYPE_STRING;
    }
    return false;
}

static int load_key(struct hx_config *c, enum hx_key key, const struct hx_source *s, config_setting_t *setting,
                    const char *where, struct hx_config_error *e) {
    int type = config_setting_type(setting);
    if (!type_fits(&hx_table[key], type))
        return fail_type(key, setting, where, e);
    if (hx_table[key].type == HX_TYPE_LIST)
        return load_list(c, key, s, setting, where, e);
    if (type == CONFIG_TYPE_STRING)
        return hx_value_set(c, key, config_setting_get_string(setting), HX_ORIGIN_FILE, where, e);
    _cleanup_buf_ struct hx_buf text = { 0 };
    describe(setting, &text);
    return hx_value_set(c, key, text.data, HX_ORIGIN_FILE, where, e);
}

static int fail_unknown(const char *name, const char *where, struct hx_config_error *e) {
    int known = hx_table_find(name);
    if (known >= 0) {
        _cleanup_buf_ struct hx_buf variable = { 0 };
        hx_table_variable((enum hx_key)known, &variable);
        return hx_config_fail(e, -EINVAL, "%s: %s: set it in the environment, as %s or %s", where, name,
                              hx_table[known].old_name, variable.data);
    }
    return hx_config_fail(e, -EINVAL, "%s: %s: unknown key, did you mean %s?", where, name,
                          hx_table[hx_table_nearest(name)].name);
}

static int load_section(struct hx_config *c, const struct hx_source *s, config_setting_t *section,
                        struct hx_config_error *e) {
    const char *section_name = config_setting_name(section);
    for (int i = 0; i < config_setting_length(section); i++) {
        config_setting_t *setting = config_setting_get_elem(section, (unsigned)i);
        _cleanup_free_ char *name = hx_printf("%s.%s", section_name, config_setting_name(setting));
        _cleanup_free_ char *where = where_of(s, setting);
        int key = hx_table_find(name);
        if (key < 0 || hx_table[key].environment_only)
            return fail_unknown(name, where, e);
        int r = load_key(c, (enum hx_key)key, s, setting, where, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The section whose name is nearest to what stands outside all sections. */
static int fail_section(const char *name, const char *where, struct hx_config_error *e) {
    _cleanup_free_ char *best = hx_strdup("handlers");
    unsigned least = hx_edit_distance(name, best);
    for (int key = 0; key < HX_KEYS; key++) {
        _cleanup_free_ char *section = hx_strndup(hx_table[key].name, strcspn(hx_table[key].name, "."));
        unsigned distance = hx_edit_distance(name, section);
        if (distance < least && !hx_table[key].environment_only) {
            least = distance;
            free(best);
            best = HX_TAKE(section);
        }
    }
    if (least <= 2)
        return hx_config_fail(e, -EINVAL, "%s: %s: unknown section, did you mean %s?", where, name, best);
    return hx_config_fail(e, -EINVAL, "%s: %s: unknown section, did you mean the key %s?", where, name,
                          hx_table[hx_table_nearest(name)].name);
}

static int load_handlers(struct hx_config *c, const struct hx_source *s, config_setting_t *list, const char *where,
                         struct hx_config_error *e) {
    int type = config_setting_type(list), n = config_setting_length(list);
    if (type != CONFIG_TYPE_LIST && !(type == CONFIG_TYPE_ARRAY && n == 0))
        return hx_config_fail(e, -EINVAL, "%s: Invalid handlers (must be a list of groups: ( { type = …; }, … ))",
                              where);
    for (int i = 0; i < n; i++) {
        int r = hx_handler_load(c, s, config_setting_get_elem(list, (unsigned)i), e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_top(struct hx_config *c, const struct hx_source *s, config_setting_t *setting, bool handlers_only,
                    struct hx_config_error *e) {
    const char *name = config_setting_name(setting);
    _cleanup_free_ char *where = where_of(s, setting);
    if (hx_streq(name, "handlers"))
        return load_handlers(c, s, setting, where, e);
    if (handlers_only)
        return hx_config_fail(e, -EINVAL, "%s: %s: files in handlers.d hold `handlers` only", where, name);
    if (!hx_table_has_section(name))
        return fail_section(name, where, e);
    if (!config_setting_is_group(setting))
        return hx_config_fail(e, -EINVAL, "%s: Invalid %s (must be a group: %s = { … };)", where, name, name);
    return load_section(c, s, setting, e);
}

int hx_load_file(struct hx_config *c, const char *path, bool handlers_only, struct hx_config_error *e) {
    _cleanup_source_ struct hx_source source = { 0 };
    int r = hx_source_read(&source, path, e);
    if (r < 0)
        return r;
    config_t parsed;
    config_init(&parsed);
    if (config_read_string(&parsed, source.text.data) != CONFIG_TRUE) {
        struct hx_source_line at = hx_source_where(&source, (unsigned)config_error_line(&parsed));
        r = hx_config_fail(e, -EINVAL, "%s:%u: %s", at.file, at.line, config_error_text(&parsed));
    }
    config_setting_t *root = config_root_setting(&parsed);
    for (int i = 0; r >= 0 && i < config_setting_length(root); i++)
        r = load_top(c, &source, config_setting_get_elem(root, (unsigned)i), handlers_only, e);
    config_destroy(&parsed);
    return r;
}

static int is_conf(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 5 && hx_streq(entry->d_name + n - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int hx_load_handlers_d(struct hx_config *c, const char *main_file, struct hx_config_error *e) {
    const char *slash = strrchr(main_file, '/');
    _cleanup_free_ char *folder =
        slash ? hx_printf("%.*s/handlers.d", (int)(slash - main_file), main_file) : hx_strdup("handlers.d");
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_conf, by_name), r = 0;
    if (n < 0)
        return errno == ENOENT ? 0 : hx_config_fail(e, -errno, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = hx_printf("%s/%s", folder, entries[i]->d_name);
        if (r >= 0)
            r = hx_load_file(c, path, true, e);
        free(entries[i]);
    }
    free(entries);
    return r;
}
