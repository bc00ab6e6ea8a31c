/* The effective configuration as one text, for our own children. */
#include "lib/config/handler.h"
#include "lib/config/state.h"

#include "common/redact.h"
#include "lib/json/json.h"

#include <errno.h>
#include <string.h>

static json_t *pack_words(const char *const *words, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_string(words[i]));
    return array;
}

static void set_text(json_t *object, const char *key, const char *text) {
    if (text)
        json_object_set_new(object, key, json_string(text));
}

static json_t *pack_value(const struct hx_value *value) {
    json_t *object = json_object();
    set_text(object, "text", value->text);
    if (value->list) {
        json_object_set_new(object, "list", pack_words(value->list, value->count));
        json_object_set_new(object, "wheres", pack_words(value->wheres, value->count));
    }
    json_object_set_new(object, "origin", json_integer(value->origin));
    set_text(object, "where", value->where);
    return object;
}

static json_t *pack_handler(const struct hx_handler_config *h, const char *where) {
    json_t *object = json_object();
    size_t n = 0;
    while (h->exec && h->exec[n])
        n++;
    set_text(object, "type", h->type);
    set_text(object, "queue", h->queue);
    if (h->exec)
        json_object_set_new(object, "exec", pack_words(h->exec, n));
    set_text(object, "url", h->url);
    set_text(object, "secret_file", h->secret_file);
    json_object_set_new(object, "timeout", json_integer(h->timeout_ms));
    json_object_set_new(object, "backoff_base", json_integer(h->backoff_base_ms));
    json_object_set_new(object, "backoff_max", json_integer(h->backoff_max_ms));
    json_object_set_new(object, "max_attempts", json_integer(h->max_attempts));
    json_object_set_new(object, "concurrency", json_integer(h->concurrency));
    json_object_set_new(object, "memory_max", json_integer(h->memory_max));
    json_object_set_new(object, "tasks_max", json_integer(h->tasks_max));
    json_object_set_new(object, "cpu_max", json_real(h->cpu_max));
    set_text(object, "where", where);
    return object;
}

void hx_config_pack(const struct hx_config *c, struct hx_buf *out) {
    _cleanup_json_ json_t *root = json_object();
    json_t *values = json_object(), *handlers = json_array();
    for (int key = 0; key < HX_KEYS; key++)
        json_object_set_new(values, hx_table[key].name, pack_value(&c->values[key]));
    for (size_t i = 0; i < c->handler_count; i++)
        json_array_append_new(handlers, pack_handler(&c->handlers[i], c->handler_where[i]));
    json_object_set_new(root, "heimdex", json_string(HX_VERSION));
    json_object_set_new(root, "values", values);
    json_object_set_new(root, "handlers", handlers);
    json_object_set_new(root, "warnings", pack_words(c->warnings, c->warning_count));
    _cleanup_free_ char *text = hx_json_dump(root);
    hx_buf_puts(out, text);
    explicit_bzero(text, strlen(text));
}

/* A member that must be a string if it is there; NULL otherwise. */
static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static const char **unpack_words(struct hx_config *c, const json_t *array, size_t *ret_n) {
    *ret_n = json_array_size(array);
    const char **words = hx_config_own(c, hx_allocn(*ret_n + 1, sizeof *words));
    for (size_t i = 0; i < *ret_n; i++) {
        const char *word = json_string_value(json_array_get(array, i));
        words[i] = hx_config_copy(c, word ? word : "");
    }
    return words;
}

static int unpack_value(struct hx_config *c, enum hx_key key, const json_t *object, struct hx_config_error *e) {
    json_int_t origin = json_integer_value(json_object_get(object, "origin"));
    const char *where = text_of(object, "where"), *text = text_of(object, "text");
    const json_t *list = json_object_get(object, "list");
    if (!where || origin < 0 || origin >= HX_ORIGINS)
        return hx_config_fail(e, -EINVAL, "packed configuration: %s is missing", hx_table[key].name);
    if (list) {
        size_t n, m;
        const char **words = unpack_words(c, list, &n),
                   **wheres = unpack_words(c, json_object_get(object, "wheres"), &m);
        return hx_value_set_list(c, key, words, m == n ? wheres : NULL, n, (enum hx_origin)origin, where, e);
    }
    if (text)
        return hx_value_set(c, key, text, (enum hx_origin)origin, where, e);
    c->values[key] = (struct hx_value){ .origin = (enum hx_origin)origin, .where = hx_config_copy(c, where) };
    if (hx_table[key].fallback || hx_table[key].computed)
        return hx_config_fail(e, -EINVAL, "packed configuration: %s has no value", hx_table[key].name);
    return 0;
}

static int64_t integer_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static int unpack_handler(struct hx_config *c, const json_t *object, struct hx_config_error *e) {
    struct hx_handler_config h = hx_handler_unset();
    const char *type = text_of(object, "type"), *queue = text_of(object, "queue"), *where = text_of(object, "where");
    const char *url = text_of(object, "url"), *secret_file = text_of(object, "secret_file");
    const json_t *exec = json_object_get(object, "exec");
    if (!type || !queue || !where)
        return hx_config_fail(e, -EINVAL, "packed configuration: a handler without its type");
    if (url)
        hx_value_redact_url(url);
    size_t n;
    h.type = hx_config_copy(c, type);
    h.queue = hx_config_copy(c, queue);
    h.exec = exec ? unpack_words(c, exec, &n) : NULL;
    h.url = url ? hx_config_copy(c, url) : NULL;
    h.secret_file = secret_file ? hx_config_copy(c, secret_file) : NULL;
    h.timeout_ms = integer_of(object, "timeout");
    h.backoff_base_ms = integer_of(object, "backoff_base");
    h.backoff_max_ms = integer_of(object, "backoff_max");
    h.max_attempts = (int)integer_of(object, "max_attempts");
    h.concurrency = (int)integer_of(object, "concurrency");
    h.memory_max = integer_of(object, "memory_max");
    h.tasks_max = integer_of(object, "tasks_max");
    h.cpu_max = json_number_value(json_object_get(object, "cpu_max"));
    hx_handler_append(c, &h, where);
    return 0;
}

static int unpack(struct hx_config *c, const json_t *root, struct hx_config_error *e) {
    const char *version = text_of(root, "heimdex");
    if (!hx_streq(version, HX_VERSION))
        return hx_config_fail(e, -EINVAL, "packed configuration: written by version %s, this is " HX_VERSION,
                              version ? version : "unknown");
    const json_t *values = json_object_get(root, "values"), *handlers = json_object_get(root, "handlers");
    const json_t *warnings = json_object_get(root, "warnings");
    for (int key = 0; key < HX_KEYS; key++) {
        int r = unpack_value(c, (enum hx_key)key, json_object_get(values, hx_table[key].name), e);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < json_array_size(handlers); i++) {
        int r = unpack_handler(c, json_array_get(handlers, i), e);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *warning = json_string_value(json_array_get(warnings, i));
        hx_config_warn(c, "%s", warning ? warning : "");
    }
    return hx_load_finish(c, e);
}

int hx_config_unpack(const char *text, size_t n, struct hx_config **ret, struct hx_config_error *reterr) {
    struct hx_json_error json_error;
    _cleanup_json_ json_t *root = NULL;
    if (hx_json_parse(text, n, &root, &json_error) < 0)
        return hx_config_fail(reterr, -EINVAL, "packed configuration: byte %zu: %s", json_error.position,
                              json_error.message);
    struct hx_config *c = hx_alloc(sizeof *c);
    int r = unpack(c, root, reterr);
    if (r < 0) {
        hx_config_free(c);
        return r;
    }
    *ret = c;
    return 0;
}
