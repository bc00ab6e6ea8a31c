#include "lib/config/service.h"

#include "lib/config/source.h"
#include "lib/config/state.h"

#include <errno.h>
#include <libconfig.h>
#include <string.h>

#define IDENTIFIER_MAX 63 /* PostgreSQL cuts longer ones */

struct hx_service_file {
    struct hx_config *memory; /* owns every string */
    struct hx_service_config *items;
    size_t count;
};
HX_DEFINE_CLEANUP(struct hx_service_file, hx_service_file_free)

static const struct {
    const char *name;
    size_t offset;
    bool wanted;     /* must be there */
    bool identifier; /* of PostgreSQL's */
} members[] = {
    { "name", offsetof(struct hx_service_config, name), true, false },
    { "chain", offsetof(struct hx_service_config, chain), true, false },
    { "schema", offsetof(struct hx_service_config, schema), false, true },
    { "version_table", offsetof(struct hx_service_config, version_table), false, true },
    { "database", offsetof(struct hx_service_config, database), false, true },
};

/* An entry while it is read. */
struct entry {
    struct hx_service_file *file;
    const char *path;
    const struct hx_source *source;
    struct hx_service_config service;
    struct hx_config_error *error;
};

static const char **field(struct hx_service_config *service, size_t member) {
    return (const char **)(void *)((char *)service + members[member].offset);
}

static char *where_of(const struct hx_source *s, const config_setting_t *setting) {
    struct hx_source_line at = hx_source_where(s, config_setting_source_line(setting));
    return hx_printf("%s:%u", at.file, at.line);
}

/* --- one entry ---------------------------------------------------------------------------------------------- */

static int find_member(const char *name) {
    for (size_t i = 0; i < HX_ARRAY_LEN(members); i++)
        if (hx_streq(members[i].name, name))
            return (int)i;
    return -1;
}

static const char *nearest_member(const char *name) {
    size_t nearest = 0;
    for (size_t i = 1; i < HX_ARRAY_LEN(members); i++)
        if (hx_edit_distance(name, members[i].name) < hx_edit_distance(name, members[nearest].name))
            nearest = i;
    return members[nearest].name;
}

/* Why the name isn't for a service to take, or NULL. */
static const char *reserved_for(const char *member, const char *text) {
    if (hx_streq(member, "version_table") && hx_streq(text, "heimdex_migration"))
        return "this table is heimdex-migrate's own, beside the version table";
    if (hx_streq(member, "schema") && (hx_startswith(text, "pg_") || hx_streq(text, "information_schema")))
        return "this name is PostgreSQL's own";
    return NULL;
}

static int read_member(struct entry *e, const config_setting_t *setting) {
    const char *name = config_setting_name(setting), *text = config_setting_get_string(setting);
    _cleanup_free_ char *where = where_of(e->source, setting);
    int member = find_member(name);
    if (member < 0)
        return hx_config_fail(e->error, -EINVAL, "%s: %s: unknown key of a service, did you mean %s?", where, name,
                              nearest_member(name));
    if (!text)
        return hx_config_fail(e->error, -EINVAL, "%s: %s: must be a string", where, name);
    if (!*text && members[member].wanted)
        return hx_config_fail(e->error, -EINVAL, "%s: %s: must not be empty", where, name);
    if (members[member].identifier && strlen(text) > IDENTIFIER_MAX)
        return hx_config_fail(e->error, -EINVAL, "%s: %s: PostgreSQL's names have at most 63 bytes", where, name);
    const char *reserved = reserved_for(members[member].name, text);
    if (reserved)
        return hx_config_fail(e->error, -EINVAL, "%s: %s: %s: %s", where, name, text, reserved);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            return hx_config_fail(e->error, -EINVAL, "%s: %s: must not contain control characters", where, name);
    if (*text)
        *field(&e->service, (size_t)member) = hx_config_copy(e->file->memory, text);
    return 0;
}

static int check_entry(struct entry *e) {
    const struct hx_service_config *s = &e->service;
    for (size_t i = 0; i < HX_ARRAY_LEN(members); i++)
        if (members[i].wanted && !*field(&e->service, i))
            return hx_config_fail(e->error, -EINVAL, "%s: a service needs %s", s->where, members[i].name);
    for (size_t i = 0; i < e->file->count; i++) {
        const struct hx_service_config *other = &e->file->items[i];
        if (hx_streq(s->name, other->name))
            return hx_config_fail(e->error, -EINVAL, "%s: service %s stands in %s already", s->where, s->name,
                                  other->where);
        if (hx_streq(s->schema, other->schema) && hx_streq(s->version_table, other->version_table) &&
            hx_streq(s->database, other->database))
            return hx_config_fail(e->error, -EINVAL,
                                  "%s: service %s has the version table of %s (%s): one would take the "
                                  "other's revision for its own",
                                  s->where, s->name, other->name, other->where);
    }
    return 0;
}

/* chain, as seen from the file's folder. */
static void resolve_chain(struct entry *e) {
    const char *slash = strrchr(e->path, '/');
    if (e->service.chain[0] == '/' || !slash)
        return;
    _cleanup_free_ char *path = hx_printf("%.*s/%s", (int)(slash - e->path), e->path, e->service.chain);
    e->service.chain = hx_config_copy(e->file->memory, path);
}

static int read_entry(struct hx_service_file *file, const char *path, const struct hx_source *source,
                      config_setting_t *group, struct hx_config_error *error) {
    struct entry e = { .file = file, .path = path, .source = source, .error = error };
    _cleanup_free_ char *where = where_of(source, group);
    e.service =
        (struct hx_service_config){ .version_table = "alembic_version", .where = hx_config_copy(file->memory, where) };
    if (!config_setting_is_group(group))
        return hx_config_fail(error, -EINVAL, "%s: a service must be a group: { name = …; chain = …; }", where);
    for (int i = 0; i < config_setting_length(group); i++) {
        int r = read_member(&e, config_setting_get_elem(group, (unsigned)i));
        if (r < 0)
            return r;
    }
    int r = check_entry(&e);
    if (r < 0)
        return r;
    resolve_chain(&e);
    file->items = hx_config_grow(file->memory, file->items, file->count, sizeof *file->items);
    file->items[file->count++] = e.service;
    return 0;
}

/* --- the file ----------------------------------------------------------------------------------------------- */

static int read_list(struct hx_service_file *file, const char *path, const struct hx_source *source,
                     config_setting_t *root, struct hx_config_error *error) {
    config_setting_t *list = NULL;
    for (int i = 0; i < config_setting_length(root); i++) {
        config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
        _cleanup_free_ char *where = where_of(source, setting);
        if (!hx_streq(config_setting_name(setting), "services"))
            return hx_config_fail(error, -EINVAL, "%s: %s: unknown key, a services file has `services` only", where,
                                  config_setting_name(setting));
        list = setting;
    }
    if (!list || config_setting_length(list) == 0)
        return hx_config_fail(error, -EINVAL,
                              "%s: there are no services in it: services = ( { name = …; chain = …; } );", path);
    if (config_setting_type(list) != CONFIG_TYPE_LIST) {
        _cleanup_free_ char *where = where_of(source, list);
        return hx_config_fail(error, -EINVAL, "%s: services must be a list of groups: ( { … }, … )", where);
    }
    for (int i = 0; i < config_setting_length(list); i++) {
        int r = read_entry(file, path, source, config_setting_get_elem(list, (unsigned)i), error);
        if (r < 0)
            return r;
    }
    return 0;
}

int hx_service_file_load(const char *path, struct hx_service_file **ret, struct hx_config_error *reterr) {
    HX_CLEANUP(hx_service_file_free_p) struct hx_service_file *file = hx_alloc(sizeof *file);
    file->memory = hx_alloc(sizeof *file->memory);
    _cleanup_source_ struct hx_source source = { 0 };
    int r = hx_source_read(&source, path, reterr);
    if (r < 0)
        return r;
    config_t parsed;
    config_init(&parsed);
    if (config_read_string(&parsed, source.text.data ? source.text.data : "") != CONFIG_TRUE) {
        struct hx_source_line at = hx_source_where(&source, (unsigned)config_error_line(&parsed));
        r = hx_config_fail(reterr, -EINVAL, "%s:%u: %s", at.file, at.line, config_error_text(&parsed));
    } else {
        r = read_list(file, path, &source, config_root_setting(&parsed), reterr);
    }
    config_destroy(&parsed);
    if (r == 0)
        *ret = HX_TAKE(file);
    return r;
}

struct hx_service_file *hx_service_file_free(struct hx_service_file *file) {
    if (!file)
        return NULL;
    hx_config_free(file->memory);
    free(file);
    return NULL;
}

const struct hx_service_config *hx_service_file_list(const struct hx_service_file *file, size_t *ret_n) {
    *ret_n = file->count;
    return file->items;
}
