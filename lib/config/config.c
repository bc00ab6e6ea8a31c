#include "lib/config/state.h"

#include "common/redact.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAIN_FILE "/etc/heimdex/heimdex.conf"

void *hx_config_own(struct hx_config *c, void *p) {
    if (c->owned_count == c->owned_room) {
        c->owned_room = c->owned_room ? c->owned_room * 2 : 64;
        c->owned = hx_realloc(c->owned, c->owned_room * sizeof *c->owned);
    }
    c->owned[c->owned_count++] = p;
    return p;
}

const char *hx_config_copy(struct hx_config *c, const char *text) {
    return hx_config_own(c, hx_strdup(text));
}

void *hx_config_grow(struct hx_config *c, void *array, size_t count, size_t size) {
    if ((count & (count - 1)) != 0) /* the room is always a power of two */
        return array;
    void *larger = hx_config_own(c, hx_allocn(count ? count * 2 : 1, size));
    if (count > 0)
        memcpy(larger, array, count * size);
    return larger;
}

static char *one_line(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static char *one_line(const char *fmt, va_list ap) {
    _cleanup_buf_ struct hx_buf raw = { 0 };
    hx_buf_vprintf(&raw, fmt, ap);
    for (size_t i = 0; i < raw.len; i++)
        if ((unsigned char)raw.data[i] < 0x20 || raw.data[i] == 0x7f)
            raw.data[i] = '?';
    return hx_redacted(raw.data);
}

int hx_config_fail(struct hx_config_error *e, int r, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = one_line(fmt, ap);
    va_end(ap);
    hx_strcopy(e->message, sizeof e->message, message);
    return r;
}

void hx_config_warn(struct hx_config *c, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *message = one_line(fmt, ap);
    va_end(ap);
    c->warnings = hx_config_grow(c, c->warnings, c->warning_count, sizeof *c->warnings);
    c->warnings[c->warning_count++] = hx_config_own(c, message);
}

struct hx_config *hx_config_free(struct hx_config *c) {
    if (!c)
        return NULL;
    for (size_t i = 0; i < c->owned_count; i++)
        free(c->owned[i]);
    free(c->owned);
    free(c);
    return NULL;
}

int hx_load_defaults(struct hx_config *c, struct hx_config_error *e) {
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_row *row = &hx_table[key];
        _cleanup_free_ char *computed = row->computed ? row->computed() : NULL;
        const char *text = computed ? computed : row->fallback;
        int r = hx_value_set(c, (enum hx_key)key, text ? text : "", HX_ORIGIN_DEFAULT, "default", e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Of "host:port". Names are not resolved: only localhost, and addresses as they stand ("127.evil.example" is a name). */
static bool is_loopback(const char *listen) {
    _cleanup_free_ char *host = hx_strdup(listen);
    struct in_addr v4;
    *strrchr(host, ':') = '\0'; /* hx_check_listen saw to it that there is one */
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return hx_streq(host, "[::1]") || hx_streq(host, "localhost");
}

int hx_load_finish(struct hx_config *c, struct hx_config_error *e) {
    const struct hx_value *auth = &c->values[HX_API_AUTH], *listen = &c->values[HX_API_LISTEN];
    if (hx_streq(auth->text, "none") && !is_loopback(listen->text))
        return hx_config_fail(
            e, -EINVAL, "%s: Invalid api.auth: none (must be token unless api.listen is loopback; it is %s, from %s)",
            auth->where, listen->text, listen->where);
    hx_postgres_collect(c);
    return 0;
}

int hx_config_load(const char *file, struct hx_config **ret, struct hx_config_error *reterr) {
    const char *variable = getenv("HEIMDEX_CONFIG");
    if (!file && variable && *variable)
        file = variable;
    struct hx_config *c = hx_alloc(sizeof *c);
    int r = hx_load_defaults(c, reterr);
    if (r >= 0) {
        r = hx_load_file(c, file ? file : MAIN_FILE, false, reterr);
        if (r == -ENOENT && !file)
            r = 0;
        else if (r >= 0)
            c->file = hx_config_copy(c, file ? file : MAIN_FILE);
    }
    if (r >= 0)
        r = hx_load_handlers_d(c, file ? file : MAIN_FILE, reterr);
    if (r >= 0)
        r = hx_load_environment(c, reterr);
    if (r >= 0)
        r = hx_load_secrets(c, reterr);
    if (r >= 0)
        r = hx_load_finish(c, reterr);
    if (r < 0) {
        hx_config_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

const char *hx_config_file(const struct hx_config *c) {
    return c->file;
}

const char *hx_config_string(const struct hx_config *c, enum hx_key key) {
    return c->values[key].text;
}

int64_t hx_config_int(const struct hx_config *c, enum hx_key key) {
    return c->values[key].number;
}

const char *const *hx_config_list(const struct hx_config *c, enum hx_key key, size_t *ret_n) {
    *ret_n = c->values[key].count;
    return c->values[key].list;
}

const char *hx_config_where(const struct hx_config *c, enum hx_key key, size_t i) {
    const struct hx_value *value = &c->values[key];
    return i < value->count ? value->wheres[i] : value->where;
}

const struct hx_handler_config *hx_config_handlers(const struct hx_config *c, size_t *ret_n) {
    *ret_n = c->handler_count;
    return c->handlers;
}

const char *const *hx_config_warnings(const struct hx_config *c, size_t *ret_n) {
    *ret_n = c->warning_count;
    return c->warnings;
}

const char *hx_config_key_name(enum hx_key key) {
    return hx_table[key].name;
}

bool hx_config_key_is_fixed(enum hx_key key) {
    return hx_table[key].fixed;
}

int hx_config_keep_fixed(struct hx_config *fresh, const struct hx_config *running, struct hx_buf *ret_names,
                         struct hx_config_error *reterr) {
    for (int key = 0; key < HX_KEYS; key++) {
        const struct hx_value *old = &running->values[key];
        if (!hx_table[key].fixed)
            continue;
        if (!hx_streq(old->text, fresh->values[key].text))
            hx_buf_printf(ret_names, "%s%s", ret_names->len ? ", " : "", hx_table[key].name);
        int r = hx_value_set(fresh, (enum hx_key)key, old->text ? old->text : "", old->origin, old->where, reterr);
        if (r < 0)
            return r;
    }
    return hx_load_finish(fresh, reterr);
}

void hx_config_postgres(const struct hx_config *c, const char *const **ret_keywords, const char *const **ret_values) {
    *ret_keywords = c->keywords;
    *ret_values = c->keyword_values;
}
