/* What differs between two configurations. */
#include "lib/config/state.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lists of words: both may be NULL. */
static bool same_words(const char *const *a, const char *const *b) {
    size_t i = 0;
    if (!a || !b)
        return a == b;
    while (a[i] && b[i] && hx_streq(a[i], b[i]))
        i++;
    return !a[i] && !b[i];
}

static bool key_differs(const struct hx_config *a, const struct hx_config *b, enum hx_key key) {
    const struct hx_value *x = &a->values[key], *y = &b->values[key];
    return !hx_streq(x->text, y->text) || !same_words((const char *const *)x->list, (const char *const *)y->list);
}

static bool same_handler(const struct hx_handler_config *a, const struct hx_handler_config *b) {
    const double cpu_difference = a->cpu_max - b->cpu_max;
    return hx_streq(a->queue, b->queue) && same_words(a->exec, b->exec) && hx_streq(a->url, b->url) &&
           hx_streq(a->secret_file, b->secret_file) && a->timeout_ms == b->timeout_ms &&
           a->backoff_base_ms == b->backoff_base_ms && a->backoff_max_ms == b->backoff_max_ms &&
           a->max_attempts == b->max_attempts && a->concurrency == b->concurrency && a->memory_max == b->memory_max &&
           a->tasks_max == b->tasks_max && !(cpu_difference < 0 || cpu_difference > 0);
}

static const struct hx_handler_config *handler_of(const struct hx_config *c, const char *type) {
    for (size_t i = 0; i < c->handler_count; i++)
        if (hx_streq(c->handlers[i].type, type))
            return &c->handlers[i];
    return NULL;
}

static void append_name(struct hx_buf *names, const char *prefix, const char *name) {
    hx_buf_printf(names, "%s%s%s", names->len ? ", " : "", prefix, name);
}

static void append_handlers(const struct hx_config *a, const struct hx_config *b, struct hx_buf *names) {
    for (size_t i = 0; i < a->handler_count; i++) {
        const struct hx_handler_config *other = handler_of(b, a->handlers[i].type);
        if (!other || !same_handler(&a->handlers[i], other))
            append_name(names, "handler ", a->handlers[i].type);
    }
    for (size_t i = 0; i < b->handler_count; i++)
        if (!handler_of(a, b->handlers[i].type))
            append_name(names, "handler ", b->handlers[i].type);
}

/* ---- files ---- */

/* One line for a file that is there and no folder: "PATH\tDEVICE:INODE SIZE CHANGED". */
static void append_file(const char *path, struct hx_buf *out) {
    struct stat st;
    if (!path || path[0] != '/' || stat(path, &st) < 0 || S_ISDIR(st.st_mode))
        return;
    hx_buf_printf(out, "%s\t%ju:%ju %jd %jd.%09ld\n", path, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
                  (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static const char *value_of(const char *assignment) {
    const char *equals = strchr(assignment, '=');
    return equals ? equals + 1 : NULL;
}

void hx_config_files(const struct hx_config *c, struct hx_buf *out) {
    const struct hx_value *properties = &c->values[HX_KAFKA_PROPERTIES];
    for (size_t i = 0; i < properties->count; i++)
        append_file(value_of(properties->list[i]), out);
    for (size_t i = 0; i < c->handler_count; i++)
        append_file(c->handlers[i].secret_file, out);
    for (char **variable = environ; *variable; variable++) /* PGSSLKEY, PGPASSFILE … */
        if (hx_startswith(*variable, "PG"))
            append_file(value_of(*variable), out);
}

static bool has_line(const char *lines, const char *line, size_t n) {
    for (const char *at = lines; *at; at = strchr(at, '\n') + 1)
        if (strncmp(at, line, n) == 0)
            return true;
    return false;
}

/* One that is gone is missed by whoever reads it next: nobody has to start again for that. */
static void append_files(const char *before, const char *after, struct hx_buf *names) {
    for (const char *line = after; *line; line = strchr(line, '\n') + 1) {
        _cleanup_free_ char *path = hx_strndup(line, strcspn(line, "\t"));
        if (!has_line(before, line, (size_t)(strchr(line, '\n') + 1 - line)))
            append_name(names, "content of ", path);
    }
}

void hx_config_changes(const struct hx_config *a, const char *a_files, const struct hx_config *b, const char *b_files,
                       bool (*skip)(enum hx_key key), struct hx_buf *ret_names) {
    for (int key = 0; key < HX_KEYS; key++)
        if (!(skip && skip((enum hx_key)key)) && key_differs(a, b, (enum hx_key)key))
            append_name(ret_names, "", hx_table[key].name);
    append_handlers(a, b, ret_names);
    append_files(a_files, b_files, ret_names);
}
